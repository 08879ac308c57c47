"""Published models: which there are, fetching, keeping, proving and converting them."""
