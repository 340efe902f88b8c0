"""Classical energy models on binary units: almost everything has an exact answer."""
