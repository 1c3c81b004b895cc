"""Side-by-side benchmark of prov and its peers: see bench/README.md."""
