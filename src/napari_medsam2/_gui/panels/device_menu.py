"""The menu of where the network runs: devices of this computer, servers that were used, and the way to another one."""

from __future__ import annotations

from qtpy.QtCore import Qt

from ...remote.address import host_of, is_address
from .pickers import Choice

#: Of this computer; auto takes the fastest there is.
DEVICES = ("auto", "cpu", "cuda", "mps")
REMOTE = "Remote..."
#: Letters that there is always room for: of a device, and of an address.
_SHORTEST, _LONGEST = 6, 24
_DEVICE = Qt.ItemDataRole.UserRole


class DeviceMenu(Choice):
    """A list of devices by name and of servers by address; :data:`REMOTE` has an empty one."""

    def __init__(self) -> None:
        super().__init__(tip="Where the network runs; auto takes the fastest there is, Remote... a server")
        for device in DEVICES:
            self.addItem(device, device)
        self.addItem(REMOTE, "")

    @property
    def device(self) -> str:
        """What is chosen; empty for :data:`REMOTE`."""
        return str(self.currentData(_DEVICE))

    def show_device(self, device: str) -> None:
        """Show a device, or a server by its address, as the chosen one."""
        self._list_server(device)
        self.setCurrentIndex(self.findData(device, _DEVICE))
        # An address is no address without its end: where it has no room beside the model it gets a line of its own.
        self.setMinimumContentsLength(min(max(_SHORTEST, len(self.currentText())), _LONGEST))
        self.updateGeometry()

    def list_servers(self, addresses: tuple[str, ...]) -> None:
        """Have servers in the list that were used before."""
        for address in addresses:
            self._list_server(address)

    def _list_server(self, address: str) -> None:
        if is_address(address) and self.findData(address, _DEVICE) < 0:
            index = self.count() - 1
            self.insertItem(index, host_of(address), address)
            self.setItemData(index, address, Qt.ItemDataRole.ToolTipRole)
