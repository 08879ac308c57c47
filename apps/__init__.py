"""What people use: the command line, the player, the server."""
