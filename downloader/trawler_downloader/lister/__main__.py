"""`python -m trawler_downloader.lister`. Holds nothing else: fork-server children look at the main module again."""

if __name__ == "__main__":
    from trawler_downloader.lister.server import main

    main()
