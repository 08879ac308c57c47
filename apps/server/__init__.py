"""Live music for many clients: the WebSocket and HTTP protocols, and the web page."""
