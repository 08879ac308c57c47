"""The page that plays variants side by side: one HTML file, complete in itself."""
