"""The network: what is fetched, which hosts may be asked, and what is an address."""
