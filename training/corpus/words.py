"""The words of descriptions: for every fact, some to train with and others held out.

A held-out phrase never occurs in a training text. Most share a stem with a training phrase,
because a model without a dictionary can only understand words whose stems it has seen.
"""

from dataclasses import dataclass

from soundstage.training.corpus.composition.theory import MODES


@dataclass(frozen=True)
class Words:
    """Phrases for one fact.

    Attributes:
        train: for training texts.
        heldout: for held-out texts only.
    """

    train: tuple[str, ...]
    heldout: tuple[str, ...]


GENRE_WORDS = {
    "ambient": Words(
        ("ambient", "ambient music", "ambient pads", "an ambient soundscape", "drifting ambient"),
        ("ambient textures", "a beatless ambient drift"),
    ),
    "house": Words(
        ("house", "house music", "deep house", "a house groove", "club house"),
        ("a house track", "housey dance music"),
    ),
    "techno": Words(
        ("techno", "techno music", "driving techno", "a techno groove", "warehouse techno"),
        ("a techno track", "hypnotic techno beats"),
    ),
    "drum_and_bass": Words(
        ("drum and bass", "drum & bass", "dnb", "liquid drum and bass", "jungle breakbeats"),
        ("a drum and bass track", "dnb breaks"),
    ),
    "synthwave": Words(
        ("synthwave", "retro synthwave", "80s synth pop", "synthwave music", "outrun synths"),
        ("an 80s synthwave anthem", "retrowave"),
    ),
    "lofi": Words(
        ("lo-fi hip hop", "lofi", "lofi beats", "chillhop", "lo-fi beats"),
        ("a lofi hip hop loop", "lo-fi study tape"),
    ),
    "funk": Words(
        ("funk", "funk music", "a funk groove", "funky grooves", "seventies funk"),
        ("a funk jam", "funk with a fat pocket"),
    ),
    "disco": Words(
        ("disco", "disco music", "seventies disco", "a disco groove", "disco dance music"),
        ("a disco tune", "dancefloor disco"),
    ),
    "reggae": Words(
        ("reggae", "reggae music", "dub", "dub reggae", "roots reggae"),
        ("a reggae riddim", "a dubby riddim"),
    ),
    "bossa_nova": Words(
        ("bossa nova", "bossa", "Brazilian bossa nova", "a bossa nova tune", "latin bossa"),
        ("bossa nova from Rio", "a bossa rhythm"),
    ),
    "jazz": Words(
        ("jazz", "a jazz trio", "jazz music", "swing jazz", "a jazz combo", "walking jazz"),
        ("jazzy swing", "a jazz quartet in a club"),
    ),
    "rock": Words(
        ("rock", "rock music", "guitar rock", "a rock band", "hard rock"),
        ("a rock song", "rocking guitars"),
    ),
    "classical_piano": Words(
        ("classical piano", "solo piano", "a piano sonata", "piano music", "a piano piece"),
        ("a classical piano etude", "romantic piano etudes"),
    ),
    "string_quartet": Words(
        (
            "a string quartet",
            "string quartet",
            "chamber strings",
            "chamber music",
            "classical strings",
        ),
        ("string quartet writing", "a chamber ensemble of strings"),
    ),
    "orchestral": Words(
        ("orchestral", "an orchestra", "orchestral film music", "a film score", "symphonic music"),
        ("a cinematic orchestra", "orchestral soundtrack"),
    ),
    "folk": Words(
        ("folk", "folk music", "acoustic folk", "folk guitar", "fingerpicked folk"),
        ("a folk song", "folky fingerpicking"),
    ),
}

# Moods by (bright mode, fast or dense).
MOOD_WORDS = {
    (True, True): Words(
        ("happy", "cheerful", "uplifting", "joyful", "lively"), ("happily energetic", "sunny")
    ),
    (True, False): Words(
        ("peaceful", "gentle", "warm", "tender", "relaxed"), ("gently soothing", "serene")
    ),
    (False, True): Words(
        ("dark", "intense", "driving", "restless", "tense"), ("darkly urgent", "brooding")
    ),
    (False, False): Words(
        ("sad", "melancholic", "moody", "wistful", "pensive"), ("sadly nostalgic", "sombre")
    ),
}

TEMPO_WORDS = {
    "very slow": Words(("very slow", "very slow tempo"), ("extremely slow",)),
    "slow": Words(("slow", "slow tempo", "unhurried"), ("slowly paced",)),
    "medium": Words(("mid-tempo", "medium tempo", "moderate tempo"), ("moderately paced",)),
    "fast": Words(("fast", "fast tempo", "upbeat"), ("fast paced",)),
    "very fast": Words(("very fast", "very fast tempo", "racing"), ("extremely fast",)),
}

BRIGHT_WORDS = {
    "dark": Words(("muffled", "dull", "mellow", "soft and dark"), ("muffled and mellow", "hazy")),
    "neutral": Words(("balanced", "clear", "natural"), ("clearly balanced",)),
    "bright": Words(
        ("bright", "crisp", "sparkling", "brilliant"), ("brightly shining", "glittering")
    ),
}

DENSITY_WORDS = {
    "sparse": Words(("sparse", "minimal", "calm", "spacious"), ("sparsely played", "uncluttered")),
    "medium": Words(("steady", "flowing", "even"), ("steadily flowing",)),
    "dense": Words(("busy", "dense", "full", "rich"), ("densely layered", "bustling")),
}

MODE_WORDS = {mode: Words((mode,), (f"{mode} scale",)) for mode in MODES}

# Phrases for instruments whose own names are not enough.
INSTRUMENT_WORDS = {
    "electric piano": Words(("electric piano", "Rhodes piano"), ("electric pianos",)),
    "digital piano": Words(("electric piano", "digital piano"), ("digital pianos",)),
    "drums": Words(("drums", "a drum kit"), ("drummers",)),
    "room drums": Words(("drums", "a drum kit"), ("drummers",)),
    "power drums": Words(("big drums", "drums"), ("drummers",)),
    "electronic drums": Words(
        ("electronic drums", "electronic beats"), ("programmed electronic drums",)
    ),
    "drum machine": Words(("a drum machine", "808 drums"), ("drum machines",)),
    "jazz drums": Words(("swinging drums", "drums"), ("swung jazz drums",)),
    "brushed drums": Words(("brushed drums", "soft drums"), ("drums with brushes",)),
    "nylon guitar": Words(("nylon guitar", "classical guitar"), ("nylon guitars",)),
    "steel guitar": Words(("acoustic guitar", "steel-string guitar"), ("acoustic guitars",)),
    "jazz guitar": Words(("jazz guitar",), ("jazz guitars",)),
    "distorted guitar": Words(("distorted guitar", "heavy guitar"), ("distorted guitars",)),
    "overdriven guitar": Words(("overdriven guitar", "electric guitar"), ("electric guitars",)),
    "clean guitar": Words(("clean guitar", "electric guitar"), ("electric guitars",)),
    "deep synth bass": Words(("deep bass", "sub bass"), ("deep synth basses",)),
    "synth bass": Words(("synth bass",), ("synth basses",)),
    "upright bass": Words(("upright bass", "double bass"), ("upright basses",)),
    "warm pad": Words(("warm pads", "a warm pad"), ("soft warm pads",)),
    "tenor saxophone": Words(("saxophone", "tenor sax"), ("saxophones",)),
    "alto saxophone": Words(("saxophone", "alto sax"), ("saxophones",)),
    "soprano saxophone": Words(("saxophone", "soprano sax"), ("saxophones",)),
    "brass section": Words(("brass", "a horn section"), ("brass players",)),
    "drawbar organ": Words(("organ", "Hammond organ"), ("organs",)),
    "rock organ": Words(("organ", "rock organ"), ("organs",)),
    "strings": Words(("strings", "string section"), ("bowed strings",)),
    "slow strings": Words(("strings", "soft strings"), ("bowed strings",)),
    "synth strings": Words(("synth strings",), ("synthetic strings",)),
    "pizzicato strings": Words(("pizzicato strings", "plucked strings"), ("pizzicati",)),
    "saw lead": Words(("synth lead", "saw lead"), ("synth leads",)),
    "square lead": Words(("synth lead", "square lead"), ("synth leads",)),
    "choir": Words(("choir", "voices"), ("choirs",)),
    "choir pad": Words(("choir pads", "voices"), ("wordless choir pads",)),
}

# {genre} may start with an article, {kind} and {bare} do not; {plain} is the genre's first name.
TRAIN_TEMPLATES = (
    "{genre}",
    "{genre}",
    "{plain} {bare}",
    "{mood} {kind}",
    "{bright} {kind}",
    "{density} {kind}",
    "{mood}, {density} {kind}",
    "{genre} with {one}",
    "{genre} with {one} and {two}",
    "{mood} {kind} with {one}",
    "{genre}, {tempo}",
    "{genre} at {bpm} bpm",
    "{genre}, {bpm} BPM, {tonic} {mode}",
    "{one}, {two}, {genre}",
    "{genre} in {tonic} {mode}",
    "{mood}, {bright}, {tempo} {kind}",
    "{one} and {two}, {mood}",
    "{tempo} {kind} with {one}, {density} and {bright}",
)
HELDOUT_TEMPLATES = (
    "please play {genre}",
    "something {mood}: {genre}",
    "{genre} featuring {one}",
    "{genre} where {one} and {two} come together",
    "I want {tempo} {kind}",
    "make it {bright} and {density}, {genre}",
    "{genre} around {bpm} beats per minute",
    "{genre}; key of {tonic}, {mode}",
    "let me hear {one} play {mood} {kind}",
)
