"""Lists what a source offers and lands one finished video on a volume.

`contract` is what the operator shares with these programs and depends on pydantic alone;
`lister` answers the operator's listing requests; `download` is what a download Job runs;
`library` knows how media servers want files named; `outcomes` turns failures into classes.
"""
