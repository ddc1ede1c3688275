"""The widgets of the dock. They show the state and ask the controller; they hold nothing."""
