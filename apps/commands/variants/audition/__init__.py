"""The audition page, which plays variants side by side: one HTML file that needs no other."""
