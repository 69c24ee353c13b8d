"""What is kept in ConfigMaps: ledgers and gates, read and written with compare-and-swap."""
