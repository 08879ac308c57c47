"""What measurements on a GPU share."""
