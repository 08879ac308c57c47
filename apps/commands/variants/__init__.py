"""`soundstage variants`: many pieces of music in one folder, and a page that plays them."""
