"""The protocols: our WebSocket, Lyria RealTime's, the original demo's, plain HTTP."""
