"""Where picks come from."""
