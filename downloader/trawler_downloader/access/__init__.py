"""How sites are reached, by listings and downloads alike: which addresses, through which proxy, with which cookies."""
