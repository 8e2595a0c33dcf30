"""What each command does, a file for each kind of command."""
