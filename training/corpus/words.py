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
    "trance": Words(
        ("trance", "trance music", "uplifting trance", "a trance anthem", "progressive trance"),
        ("a trance track", "euphoric trance"),
    ),
    "trap": Words(
        ("trap", "trap music", "a trap beat", "dark trap", "808 trap"),
        ("a trap instrumental", "trap beats with 808s"),
    ),
    "dubstep": Words(
        ("dubstep", "dubstep music", "heavy dubstep", "a dubstep drop", "wobble dubstep"),
        ("a dubstep track", "wobbling dubstep bass"),
    ),
    "samba": Words(
        ("samba", "samba music", "Brazilian samba", "a samba groove", "carnival samba"),
        ("a samba batucada", "samba for carnival"),
    ),
    "ska": Words(
        ("ska", "ska music", "two-tone ska", "a ska band", "ska punk"),
        ("a ska tune", "skanking ska"),
    ),
    "afrobeat": Words(
        ("afrobeat", "afrobeat music", "West African afrobeat", "an afrobeat groove", "afro funk"),
        ("an afrobeat jam", "afrobeats"),
    ),
    "blues": Words(
        ("blues", "blues music", "twelve-bar blues", "a blues shuffle", "Chicago blues"),
        ("a blues jam", "bluesy shuffles"),
    ),
    "country": Words(
        ("country", "country music", "a country band", "bluegrass country", "Nashville country"),
        ("a country song", "country and western"),
    ),
    "salsa": Words(
        ("salsa", "salsa music", "latin salsa", "latin music", "a salsa band"),
        ("a salsa montuno", "latin dance salsa"),
    ),
    "hip_hop": Words(
        ("hip hop", "hip-hop", "boom bap", "a hip hop beat", "rap beats", "old school hip hop"),
        ("a hip hop instrumental", "boom bap rap"),
    ),
    "metal": Words(
        ("metal", "heavy metal", "metal music", "a metal band", "thrash metal"),
        ("a metal riff", "heavier metal"),
    ),
    "celtic": Words(
        ("celtic", "celtic music", "Irish folk dance", "an Irish jig", "a celtic session"),
        ("a celtic tune", "Irish jigs"),
    ),
    "waltz": Words(
        ("waltz", "a waltz", "waltz music", "a Viennese waltz", "ballroom waltz"),
        ("a waltz in three", "waltzing ballroom"),
    ),
    "soul": Words(
        ("soul", "soul music", "gospel", "a soul ballad", "gospel soul", "classic soul"),
        ("a soul tune", "soulful gospel"),
    ),
    "chiptune": Words(
        ("chiptune", "chiptune music", "8-bit", "8-bit video game music", "a chiptune"),
        ("a chiptune melody", "8-bit game music"),
    ),
    "pop": Words(
        ("pop", "pop music", "a pop song", "catchy pop", "modern pop"),
        ("a pop tune", "poppy hooks"),
    ),
    "uk_garage": Words(
        ("uk garage", "garage", "two-step garage", "a garage beat", "2-step"),
        ("a uk garage track", "garage two-step"),
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

# Whether drums play.
DRUM_WORDS = {
    True: Words(("with drums", "with a beat"), ("with a drum beat",)),
    False: Words(("without drums", "with no drums"), ("without any drums",)),
}
# What plays if it is only drums and bass.
RHYTHM_WORDS = Words(
    ("drums and bass only", "just the rhythm section"), ("only the rhythm section",)
)

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
    "{genre} {drums}",
    "{mood} {kind} {drums}",
    "{bpm} bpm {kind}",
    "{bright} {kind} at {bpm} bpm, {density}",
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
    "I would like {kind}, {drums}",
)
