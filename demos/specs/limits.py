"""What may be sent as a picture or a clip."""

# Pillow's name of a format, and the media type that a browser gives it.
IMAGE_FORMATS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
MAX_PIXELS = 60_000_000  # a 48-megapixel phone photo passes
MAX_BYTES = 25_000_000
MIN_SIDE = 8  # below this there is nothing to see

CLIP_FRAMES = 32          # of a longer clip as many, evenly picked
CLIP_SIDE = 192           # the longer side of a frame
CLIP_PIXELS = 200_000_000  # of all frames of an animated picture together

# Containers of videos, and the media types that browsers give them.
VIDEO_FORMATS = {
    "MP4": "video/mp4",
    "MOV": "video/quicktime",
    "WebM": "video/webm",
    "MKV": "video/x-matroska",
    "AVI": "video/x-msvideo",
}
FILM_PIXELS = 4096 * 2304  # of one frame of a video
FILM_FRAMES = 30_000        # of a whole video: a quarter of an hour
