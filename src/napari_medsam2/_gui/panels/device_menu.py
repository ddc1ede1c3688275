"""The menu of where the network runs: devices of this computer, servers that were used, and the way to another one."""

from __future__ import annotations

from qtpy.QtCore import Qt

from ...remote.address import host_of, is_address
from .pickers import Choice

#: Of this computer; auto takes the fastest there is.
DEVICES = ("auto", "cpu", "cuda", "mps")
REMOTE = "Remote..."
_DEVICE = Qt.ItemDataRole.UserRole


class DeviceMenu(Choice):
    """A list of devices by name and of servers by address; :data:`REMOTE` has an empty one."""

    longest = 24  # an address is none without its end

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

    def list_servers(self, addresses: tuple[str, ...]) -> None:
        """Have servers in the list that were used before."""
        for address in addresses:
            self._list_server(address)

    def _list_server(self, address: str) -> None:
        if is_address(address) and self.findData(address, _DEVICE) < 0:
            index = self.count() - 1
            self.insertItem(index, host_of(address), address)
            self.setItemData(index, address, Qt.ItemDataRole.ToolTipRole)
