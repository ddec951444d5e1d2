"""An entry of a manifest of one's own."""

ENTRY = {
    "id": "mine",
    "name": "My detector",
    "family": "ssd",
    "stages": 1,
    "anchors": True,
    "backbone": "MobileNet v2",
    "input": {"resizer": "fixed_shape", "height": 320, "width": 320, "source": "me"},
    "outputs": ["boxes"],
    "signature": "standard",
    "archive": "mine.tar.gz",
    "sources": [{"kind": "archive", "url": "https://example.org/mine.tar.gz"}],
    "license": "MIT",
    "reported": [{"metric": "box_map", "value": 12.5, "source": "me"}],
}
