//! The birds that the two versions of the backend show: names, facts and how to draw them.
//!
//! Version 1 knows birds of all kinds, version 2 only canaries; one look at the page tells
//! which of the two answered.

use crate::picture::{Beak, Crest, Form, Look, Scene, Tail};

/// One bird: what the backend tells about it and what its picture looks like.
#[derive(Debug)]
pub(crate) struct Bird {
    /// The common English name.
    pub(crate) name: &'static str,
    /// The last part of the picture's address, lower-case with hyphens.
    pub(crate) slug: &'static str,
    /// One to three sentences about it.
    pub(crate) extract: &'static str,
    /// The drawing's parameters.
    pub(crate) look: Look,
}

/// Finds a bird of either version by its slug.
pub(crate) fn by_slug(slug: &str) -> Option<&'static Bird> {
    WORLD.iter().chain(CANARIES).find(|bird| bird.slug == slug)
}

const fn bird(name: &'static str, slug: &'static str, extract: &'static str, look: Look) -> Bird {
    Bird {
        name,
        slug,
        extract,
        look,
    }
}

/// A small perching bird; the rows below change what differs.
const SONG: Look = Look {
    form: Form::Song,
    beak: Beak::Fine,
    tail: Tail::Medium,
    crest: Crest::None,
    scene: Scene::Branch,
    back: "#8a6f52",
    head: "#8a6f52",
    face: "",
    breast: "",
    belly: "#efe4d2",
    wing: "#6f5740",
    bar: "",
    bill: "#3a3330",
    leg: "#5b473c",
    sky: "#dfe9e4",
    eye: "#1d1a19",
};

/// A canary; the rows below change what differs.
const CANARY: Look = Look {
    beak: Beak::Cone,
    back: "#f2c53d",
    head: "#f6d04d",
    belly: "#fbe38a",
    wing: "#dba728",
    bill: "#eec9a4",
    leg: "#d99a7c",
    sky: "#e7e3f3",
    ..SONG
};

/// The birds of version 1, in the order in which they are shown.
pub(crate) const WORLD: &[Bird] = &[
    bird(
        "European robin",
        "european-robin",
        "Robins hold territories all winter, and both sexes sing to defend them. Near street \
         lamps they may sing through the night.",
        Look {
            face: "#e0713a",
            breast: "#e0713a",
            ..SONG
        },
    ),
    bird(
        "Common kingfisher",
        "common-kingfisher",
        "A kingfisher dives beak first for small fish and beats them on its perch before \
         swallowing them. Its blue is no pigment but the work of fine structures in the feathers.",
        Look {
            beak: Beak::Dagger,
            tail: Tail::Short,
            scene: Scene::Reeds,
            back: "#1f8fb8",
            head: "#16779f",
            belly: "#ea8a3e",
            wing: "#0f6485",
            bar: "#63c5de",
            leg: "#d9532c",
            sky: "#d5e8ea",
            ..SONG
        },
    ),
    bird(
        "Barn owl",
        "barn-owl",
        "The heart-shaped face of the barn owl gathers sound, and its ears sit at different \
         heights. It can catch a mouse in complete darkness by hearing alone.",
        Look {
            form: Form::Owl,
            beak: Beak::Hook,
            back: "#d9a860",
            head: "#dcb06c",
            face: "#fbf3e6",
            belly: "#f7ecdc",
            wing: "#b98a48",
            bar: "#8a6a3d",
            bill: "#d8bfa0",
            sky: "#3d4a6b",
            ..SONG
        },
    ),
    bird(
        "Atlantic puffin",
        "atlantic-puffin",
        "Puffins spend most of the year on the open sea and come ashore only to breed, in \
         burrows. Spines on the tongue and palate let one hold many small fish crosswise at once.",
        Look {
            form: Form::Upright,
            beak: Beak::Wedge,
            tail: Tail::Short,
            scene: Scene::Rock,
            back: "#26282d",
            head: "#26282d",
            face: "#f1efe9",
            belly: "#f8f6f0",
            wing: "#1a1c20",
            bill: "#e8662f",
            leg: "#ee7a33",
            sky: "#cfe0ea",
            ..SONG
        },
    ),
    bird(
        "Grey heron",
        "grey-heron",
        "A grey heron stands still in the shallows until a fish comes within reach of its neck. \
         In flight it folds that neck back into an S, unlike storks and cranes.",
        Look {
            form: Form::Heron,
            beak: Beak::Dagger,
            tail: Tail::Short,
            crest: Crest::Plume,
            scene: Scene::Reeds,
            back: "#8d99a3",
            head: "#eef0ef",
            belly: "#e4e7e6",
            wing: "#6c7883",
            bar: "#39424b",
            bill: "#e0a63c",
            leg: "#8c7f5a",
            sky: "#dfe6e2",
            ..SONG
        },
    ),
    bird(
        "Eurasian hoopoe",
        "eurasian-hoopoe",
        "The hoopoe is named after its call, a soft hoop-hoop-hoop. It raises its crest when it \
         lands or is excited, and probes short grass for larvae.",
        Look {
            beak: Beak::Sickle,
            crest: Crest::Fan,
            scene: Scene::Ground,
            back: "#e2a273",
            head: "#e8ab7c",
            belly: "#f0c7a3",
            wing: "#2d2926",
            bar: "#f6f0e6",
            sky: "#f1e6cf",
            ..SONG
        },
    ),
    bird(
        "Common swift",
        "common-swift",
        "Swifts eat, drink and sleep on the wing. Some have been shown to stay in the air for \
         ten months without landing.",
        Look {
            form: Form::Flight,
            beak: Beak::Stub,
            tail: Tail::Fork,
            scene: Scene::Air,
            back: "#3b342f",
            head: "#403934",
            face: "#d8d0c4",
            belly: "#4a423b",
            wing: "#2c2724",
            sky: "#c9dff0",
            ..SONG
        },
    ),
    bird(
        "Barn swallow",
        "barn-swallow",
        "Barn swallows build cups of mud pellets on beams and walls. The long outer tail \
         feathers are longer in males than in females.",
        Look {
            form: Form::Flight,
            beak: Beak::Stub,
            tail: Tail::Streamer,
            scene: Scene::Air,
            back: "#24406f",
            head: "#24406f",
            face: "#a8452c",
            belly: "#f6e9d6",
            wing: "#1a2f54",
            sky: "#f3dfc6",
            ..SONG
        },
    ),
    bird(
        "Common nightingale",
        "common-nightingale",
        "The nightingale looks plain and sings like nobody else, by night and by day. Those \
         still singing late at night are mostly males without a mate.",
        Look {
            tail: Tail::Long,
            back: "#9a6b48",
            head: "#94694a",
            belly: "#eee2d3",
            wing: "#80573a",
            sky: "#4a4f78",
            ..SONG
        },
    ),
    bird(
        "Common blackbird",
        "common-blackbird",
        "Only the male blackbird is black; females are brown. It is a thrush, and it listens and \
         looks for earthworms with its head tilted.",
        Look {
            tail: Tail::Long,
            scene: Scene::Ground,
            back: "#2b2a2c",
            head: "#242325",
            belly: "#333235",
            wing: "#1c1b1d",
            bill: "#f0a22e",
            sky: "#e8ead6",
            ..SONG
        },
    ),
    bird(
        "Eurasian wren",
        "eurasian-wren",
        "A wren weighs about ten grams and is among the loudest birds for its size. The male \
         builds several nests and the female chooses one.",
        Look {
            form: Form::Round,
            tail: Tail::Cocked,
            back: "#8f5f3a",
            head: "#8b5d3b",
            face: "#d9bf9c",
            belly: "#cfae87",
            wing: "#744a2b",
            bar: "#b98a5e",
            sky: "#e4ead9",
            ..SONG
        },
    ),
    bird(
        "Great spotted woodpecker",
        "great-spotted-woodpecker",
        "Its drumming is a song: a dozen or so blows in about half a second, meant for mates \
         and rivals. The tongue is long enough to wrap around the skull.",
        Look {
            form: Form::Climber,
            beak: Beak::Dagger,
            tail: Tail::Short,
            scene: Scene::Trunk,
            back: "#222225",
            head: "#222225",
            face: "#f5f0e5",
            belly: "#f0e6d4",
            wing: "#1a1a1c",
            bar: "#f7f3ea",
            breast: "#f0e6d4",
            sky: "#dbe7dc",
            ..SONG
        },
    ),
    bird(
        "Mute swan",
        "mute-swan",
        "Mute swans are not mute: they hiss, snort and grunt, and their wings hum in flight. \
         They are among the heaviest birds that fly.",
        Look {
            form: Form::Swan,
            beak: Beak::Flat,
            tail: Tail::Short,
            scene: Scene::Water,
            back: "#fbfaf6",
            head: "#fbfaf6",
            belly: "#f1eee6",
            wing: "#e9e5da",
            bill: "#e87b35",
            sky: "#cfe1e6",
            ..SONG
        },
    ),
    bird(
        "Mallard",
        "mallard",
        "Nearly all domestic ducks descend from the mallard. The famous quack belongs to the \
         female; the drake only gives a quiet rasp.",
        Look {
            form: Form::Duck,
            beak: Beak::Flat,
            tail: Tail::Short,
            scene: Scene::Water,
            back: "#a39a8d",
            head: "#1f6b4a",
            breast: "#6a3f2c",
            belly: "#cbc5ba",
            wing: "#857a6c",
            bar: "#3c5fb0",
            bill: "#dcb63c",
            sky: "#d9e7d8",
            ..SONG
        },
    ),
    bird(
        "Mandarin duck",
        "mandarin-duck",
        "Mandarin ducks nest in tree holes, often high above the ground. A day after hatching \
         the ducklings jump down and follow their mother to water.",
        Look {
            form: Form::Duck,
            beak: Beak::Flat,
            tail: Tail::Short,
            crest: Crest::Swept,
            scene: Scene::Water,
            back: "#7d5b3f",
            head: "#c2622c",
            face: "#f7ecd9",
            breast: "#5b2b5e",
            belly: "#e7c99b",
            wing: "#e08a34",
            bar: "#2c5c8a",
            bill: "#d0433a",
            sky: "#dfe9d6",
            ..SONG
        },
    ),
    bird(
        "Greater flamingo",
        "greater-flamingo",
        "Flamingos filter food from the water with the head upside down. Their pink comes from \
         pigments in what they eat; the chicks hatch grey.",
        Look {
            form: Form::Heron,
            beak: Beak::Bent,
            tail: Tail::Short,
            scene: Scene::Water,
            back: "#f4b7b5",
            head: "#f8cbc8",
            belly: "#f9d8d4",
            wing: "#ea7f86",
            bill: "#f0a7a0",
            leg: "#e58a8c",
            sky: "#fbeedd",
            ..SONG
        },
    ),
    bird(
        "Emperor penguin",
        "emperor-penguin",
        "The emperor is the tallest penguin, and breeds in the Antarctic winter. The male keeps \
         the single egg on his feet for about two months without eating.",
        Look {
            form: Form::Penguin,
            beak: Beak::Fine,
            tail: Tail::Short,
            scene: Scene::Snow,
            back: "#3a434f",
            head: "#1f2329",
            face: "#f3b93f",
            belly: "#fbfaf5",
            wing: "#2b323b",
            bill: "#c9735a",
            leg: "#2b2c30",
            sky: "#cfdfee",
            ..SONG
        },
    ),
    bird(
        "Peregrine falcon",
        "peregrine-falcon",
        "In its hunting stoop the peregrine passes 300 kilometres an hour, faster than any other \
         animal. Having been nearly lost to DDT, it now nests even on city towers.",
        Look {
            form: Form::Raptor,
            beak: Beak::Hook,
            scene: Scene::Rock,
            back: "#5a6b7d",
            head: "#3a4552",
            face: "#f3eee2",
            belly: "#f0e7d8",
            wing: "#46566a",
            bar: "#2e3946",
            bill: "#e0b23e",
            leg: "#e5b93f",
            sky: "#d8e2ec",
            ..SONG
        },
    ),
    bird(
        "Bald eagle",
        "bald-eagle",
        "Bald eagles are not bald; \"bald\" once meant white-headed. They use the same nest year \
         after year and add to it, until it may weigh a tonne.",
        Look {
            form: Form::Raptor,
            beak: Beak::Hook,
            scene: Scene::Branch,
            back: "#4d3626",
            head: "#faf8f2",
            belly: "#573d2b",
            wing: "#3b291d",
            bill: "#f0bb38",
            leg: "#efc04a",
            sky: "#d3e4ee",
            ..SONG
        },
    ),
    bird(
        "Snowy owl",
        "snowy-owl",
        "Snowy owls breed on the Arctic tundra and hunt by day under the midnight sun. Lemmings \
         are their main food: in poor lemming years many do not breed at all.",
        Look {
            form: Form::Owl,
            beak: Beak::Hook,
            scene: Scene::Snow,
            back: "#f4f3ee",
            head: "#f8f7f3",
            face: "#ffffff",
            belly: "#fbfaf7",
            wing: "#e6e4dc",
            bar: "#7b7a76",
            bill: "#3a3a3c",
            sky: "#b9cbe2",
            eye: "#e5b12c",
            ..SONG
        },
    ),
    bird(
        "Arctic tern",
        "arctic-tern",
        "The Arctic tern flies from the Arctic to the Antarctic and back each year, and so sees \
         more daylight than any other animal. In a long life the way adds up to several trips \
         to the moon.",
        Look {
            form: Form::Flight,
            beak: Beak::Dagger,
            tail: Tail::Streamer,
            scene: Scene::Air,
            back: "#c9d2da",
            head: "#23262b",
            belly: "#eef1f3",
            wing: "#aab8c4",
            bill: "#c8322f",
            sky: "#d4e8f3",
            ..SONG
        },
    ),
    bird(
        "Bar-tailed godwit",
        "bar-tailed-godwit",
        "A bar-tailed godwit can fly from Alaska to New Zealand or Tasmania without a stop: more \
         than eleven days over the Pacific. Before leaving it shrinks its gut to save weight.",
        Look {
            form: Form::Wader,
            beak: Beak::Probe,
            tail: Tail::Short,
            scene: Scene::Shore,
            back: "#9a6a44",
            head: "#b9734a",
            belly: "#c8794d",
            wing: "#7c5a41",
            bar: "#dcc4a4",
            bill: "#5a4238",
            leg: "#3e3a36",
            sky: "#e6ecea",
            ..SONG
        },
    ),
    bird(
        "Pied avocet",
        "pied-avocet",
        "Avocets sweep their upturned beak from side to side through shallow water and feel for \
         small prey. One of them is the emblem of Britain's Royal Society for the Protection of Birds.",
        Look {
            form: Form::Wader,
            beak: Beak::Upturned,
            tail: Tail::Short,
            scene: Scene::Shore,
            back: "#f8f6f0",
            head: "#27272a",
            face: "#f8f6f0",
            belly: "#fbfaf6",
            wing: "#f0ede4",
            bar: "#242427",
            leg: "#8fa4b8",
            sky: "#dcebef",
            ..SONG
        },
    ),
    bird(
        "Northern lapwing",
        "northern-lapwing",
        "The lapwing is also called peewit after its call. When danger nears the nest it may \
         feign a broken wing and lead the intruder away.",
        Look {
            form: Form::Wader,
            beak: Beak::Fine,
            tail: Tail::Short,
            crest: Crest::Plume,
            scene: Scene::Ground,
            back: "#2f5d4c",
            head: "#1f2a2a",
            face: "#f2efe6",
            breast: "#1f2a2a",
            belly: "#f8f5ee",
            wing: "#27503f",
            bar: "#6a4a7a",
            leg: "#b5604f",
            sky: "#e6ecd8",
            ..SONG
        },
    ),
    bird(
        "Eurasian magpie",
        "eurasian-magpie",
        "Magpies have passed the mirror test: marked with a spot that they can see only in a \
         mirror, some try to remove it from themselves. Their black feathers shine blue and green.",
        Look {
            beak: Beak::Stout,
            tail: Tail::VeryLong,
            back: "#1d2430",
            head: "#181c24",
            belly: "#f8f7f2",
            breast: "#181c24",
            wing: "#20456b",
            bar: "#f8f7f2",
            sky: "#e2e7ee",
            ..SONG
        },
    ),
    bird(
        "Common raven",
        "common-raven",
        "Ravens hide food, remember who watched them do it, and move it later. Young ones play: \
         they slide down snow banks and drop sticks to catch them again in the air.",
        Look {
            form: Form::Raptor,
            beak: Beak::Stout,
            scene: Scene::Rock,
            back: "#23252d",
            head: "#1e2027",
            belly: "#292c35",
            wing: "#171920",
            bar: "#3c4466",
            leg: "#26262a",
            sky: "#d9d6e3",
            ..SONG
        },
    ),
    bird(
        "Eurasian jay",
        "eurasian-jay",
        "A jay buries thousands of acorns each autumn and finds many of them again. Those it \
         forgets grow, and so jays plant oak woods.",
        Look {
            beak: Beak::Stout,
            tail: Tail::Long,
            crest: Crest::Tuft,
            back: "#c79a85",
            head: "#cfa48f",
            face: "#2b2829",
            belly: "#dcb6a3",
            wing: "#2d2b2d",
            bar: "#4aa0d8",
            sky: "#e3ead7",
            ..SONG
        },
    ),
    bird(
        "White stork",
        "white-stork",
        "White storks have almost no voice and greet each other by clattering their beaks. They \
         soar to Africa on rising warm air and go around the sea, where there is none.",
        Look {
            form: Form::Heron,
            beak: Beak::Dagger,
            tail: Tail::Short,
            scene: Scene::Ground,
            back: "#f9f7f1",
            head: "#fbfaf6",
            belly: "#f5f2ea",
            wing: "#2a2a2d",
            bill: "#d8452f",
            leg: "#d8503a",
            sky: "#d6e7ef",
            ..SONG
        },
    ),
    bird(
        "European bee-eater",
        "european-bee-eater",
        "Before eating a bee, a bee-eater rubs the insect against its perch to get rid of the \
         sting and venom. It nests in colonies, in tunnels dug into sandy banks.",
        Look {
            beak: Beak::Sickle,
            tail: Tail::Long,
            back: "#a65a2c",
            head: "#9c4f27",
            face: "#f4c93f",
            breast: "#f4c93f",
            belly: "#3fa8b5",
            wing: "#2c8f7b",
            bar: "#d49a3d",
            sky: "#f3ead2",
            ..SONG
        },
    ),
    bird(
        "Northern cardinal",
        "northern-cardinal",
        "The red of a male cardinal comes from pigments in its food. Unlike most North American \
         songbirds, the female sings too, often from the nest.",
        Look {
            beak: Beak::Cone,
            tail: Tail::Long,
            crest: Crest::Tuft,
            scene: Scene::SnowBranch,
            back: "#c23a30",
            head: "#d2402f",
            face: "#2b2120",
            belly: "#d9523f",
            wing: "#a02c27",
            bill: "#ee8a4a",
            sky: "#dbe5ee",
            ..SONG
        },
    ),
    bird(
        "Ruby-throated hummingbird",
        "ruby-throated-hummingbird",
        "It beats its wings about fifty times a second and can hover and fly backwards. Weighing \
         three to four grams, many cross the Gulf of Mexico in a single flight.",
        Look {
            form: Form::Hover,
            beak: Beak::Needle,
            tail: Tail::Fork,
            scene: Scene::Flower,
            back: "#3f8a5a",
            head: "#397d53",
            face: "#c42945",
            belly: "#eef0e8",
            wing: "#7d9a8f",
            sky: "#e5efe2",
            ..SONG
        },
    ),
    bird(
        "Resplendent quetzal",
        "resplendent-quetzal",
        "In the breeding season the male quetzal carries two tail plumes that may be longer than \
         the rest of the bird. It lives in cloud forests and eats wild avocados.",
        Look {
            beak: Beak::Stub,
            tail: Tail::Train,
            crest: Crest::Tuft,
            back: "#1f9a72",
            head: "#27a57b",
            breast: "#1f9a72",
            belly: "#cf3a36",
            wing: "#16775a",
            bill: "#e7c544",
            sky: "#dcead9",
            ..SONG
        },
    ),
    bird(
        "Toco toucan",
        "toco-toucan",
        "The huge beak of the toco toucan is light, a foam of bone inside a thin shell. It also \
         works as a radiator: the bird sends more blood to it when it is hot.",
        Look {
            beak: Beak::Giant,
            tail: Tail::Medium,
            back: "#1f1f22",
            head: "#1f1f22",
            face: "#f8f5ec",
            breast: "#f8f5ec",
            belly: "#27272b",
            wing: "#17171a",
            bill: "#f09a2f",
            leg: "#6d7f94",
            sky: "#dbeedd",
            ..SONG
        },
    ),
    bird(
        "Common cuckoo",
        "common-cuckoo",
        "A cuckoo lays its eggs in the nests of other birds, one in each. The chick, blind and \
         naked, pushes the other eggs out, and foster parents raise it alone.",
        Look {
            tail: Tail::Long,
            back: "#8b98a5",
            head: "#95a2ae",
            belly: "#f0eee8",
            breast: "#95a2ae",
            wing: "#6f7d8b",
            bar: "#4a5560",
            leg: "#e3b53d",
            sky: "#e6ecdc",
            eye: "#8a5a12",
            ..SONG
        },
    ),
    bird(
        "Bohemian waxwing",
        "bohemian-waxwing",
        "Waxwings are named for the red, wax-like tips of some wing feathers. In winter they \
         wander in flocks to wherever there are berries.",
        Look {
            tail: Tail::Short,
            crest: Crest::Swept,
            scene: Scene::SnowBranch,
            back: "#b29a86",
            head: "#c4976f",
            face: "#2b2725",
            belly: "#cdbbaa",
            wing: "#6b6460",
            bar: "#d8453c",
            sky: "#dfe6ee",
            ..SONG
        },
    ),
    bird(
        "White-throated dipper",
        "white-throated-dipper",
        "The dipper is a songbird that walks under water, gripping the bed of fast streams as it \
         looks for larvae. It blinks a white eyelid and bobs up and down all day.",
        Look {
            form: Form::Round,
            tail: Tail::Short,
            scene: Scene::Rock,
            back: "#3f3a3a",
            head: "#5d463a",
            face: "#f7f4ec",
            breast: "#f7f4ec",
            belly: "#6e4632",
            wing: "#332f30",
            sky: "#d3e3e5",
            ..SONG
        },
    ),
    bird(
        "Goldcrest",
        "goldcrest",
        "At five to six grams the goldcrest is among Europe's smallest birds. Even so it crosses \
         the North Sea in autumn.",
        Look {
            form: Form::Round,
            tail: Tail::Short,
            crest: Crest::Stripe,
            scene: Scene::Branch,
            back: "#7d8a55",
            head: "#88935f",
            belly: "#e6e2cc",
            wing: "#4f553f",
            bar: "#f1eedf",
            sky: "#dfe8dd",
            ..SONG
        },
    ),
    bird(
        "Eurasian bullfinch",
        "eurasian-bullfinch",
        "Bullfinches have a quiet, creaking song, yet hand-reared ones learn to whistle tunes. In \
         spring they eat the buds of fruit trees.",
        Look {
            form: Form::Round,
            beak: Beak::Cone,
            scene: Scene::SnowBranch,
            back: "#8f9aa3",
            head: "#23242a",
            breast: "#e2705f",
            belly: "#e58473",
            wing: "#262830",
            bar: "#f0efeb",
            sky: "#e5e8ef",
            ..SONG
        },
    ),
    bird(
        "European goldfinch",
        "european-goldfinch",
        "Goldfinches feed on the seeds of thistles and teasels, which their fine pointed beaks can \
         reach. A group of them is called a charm.",
        Look {
            beak: Beak::Cone,
            scene: Scene::Flower,
            back: "#b98d5f",
            head: "#2a2627",
            face: "#c9332f",
            belly: "#efe3d0",
            wing: "#232225",
            bar: "#f4c52f",
            bill: "#ead9c2",
            sky: "#eae6d3",
            ..SONG
        },
    ),
    bird(
        "Eurasian blue tit",
        "eurasian-blue-tit",
        "To our eyes male and female blue tits look alike; in ultraviolet, which they can see, the \
         male's crown is brighter. A pair may bring its brood hundreds of caterpillars a day.",
        Look {
            form: Form::Round,
            beak: Beak::Stub,
            back: "#8a9c5a",
            head: "#3f86c4",
            face: "#f8f6ee",
            belly: "#f1d658",
            wing: "#3a73ad",
            bar: "#f3f1e8",
            leg: "#5a6a80",
            sky: "#e1ecea",
            ..SONG
        },
    ),
];

/// The canaries of version 2, in the order in which they are shown.
pub(crate) const CANARIES: &[Bird] = &[
    bird(
        "Atlantic canary",
        "atlantic-canary",
        "The wild ancestor of every cage canary lives on the Canary Islands, the Azores and \
         Madeira. It is streaked and greenish; the pure yellow came later, by breeding.",
        Look {
            back: "#a8a353",
            head: "#d3c653",
            belly: "#e6da78",
            wing: "#7f7d48",
            bar: "#5f5f3c",
            bill: "#bfae96",
            ..CANARY
        },
    ),
    bird(
        "Miner's canary",
        "miners-canary",
        "Until 1986 British coal miners took canaries underground. The birds felt carbon monoxide \
         before people did, and so a small first share of anything risky is called a canary.",
        Look {
            scene: Scene::Cage,
            sky: "#4b4a55",
            ..CANARY
        },
    ),
    bird(
        "Harz Roller",
        "harz-roller",
        "Bred in the Harz mountains for its soft, rolling song, which it sings with its beak \
         almost closed. Young males learned from an older tutor bird.",
        Look {
            back: "#c9b64a",
            head: "#e3cf5c",
            wing: "#97893c",
            sky: "#dfe8e0",
            ..CANARY
        },
    ),
    bird(
        "Spanish Timbrado",
        "spanish-timbrado",
        "A song canary of Spain with a bright, metallic voice, said to sound like castanets and \
         bells. It stays close to the wild canary in size and colour.",
        Look {
            back: "#9ba04a",
            head: "#c2c055",
            belly: "#dcd774",
            wing: "#74793a",
            bar: "#4f5430",
            sky: "#f3e3d3",
            ..CANARY
        },
    ),
    bird(
        "American Singer",
        "american-singer",
        "Created in the 1930s in the United States from Roller and Border canaries, to please the \
         ear and the eye alike. It may be of any colour but red.",
        Look {
            back: "#f4e3a0",
            head: "#f7e6a6",
            belly: "#fcf3cf",
            wing: "#e0c877",
            sky: "#dbe6f1",
            ..CANARY
        },
    ),
    bird(
        "Gloster Corona",
        "gloster-corona",
        "Glosters come in two kinds: the corona wears a neat round crest, the consort a plain \
         head. The breed was first shown in the 1920s.",
        Look {
            form: Form::Round,
            crest: Crest::Mop,
            sky: "#efe2ea",
            ..CANARY
        },
    ),
    bird(
        "Border canary",
        "border-canary",
        "The Border comes from the counties along the border of England and Scotland. Breeders \
         call it \"the wee gem\", although today's birds are not so small any more.",
        Look {
            back: "#f5d25a",
            belly: "#fcebaa",
            sky: "#dfeae9",
            ..CANARY
        },
    ),
    bird(
        "Fife canary",
        "fife-canary",
        "When Border canaries grew larger, breeders in Fife kept a line small. A Fife is no longer \
         than eleven centimetres.",
        Look {
            form: Form::Round,
            back: "#f7c948",
            sky: "#e6ecd9",
            ..CANARY
        },
    ),
    bird(
        "Norwich canary",
        "norwich-canary",
        "Flemish weavers are said to have brought canaries to Norwich in the sixteenth century. \
         The breed is broad and deep-chested, and Norwich City's footballers are named after it.",
        Look {
            form: Form::Round,
            back: "#e8a02f",
            head: "#efab3b",
            belly: "#f7cb6e",
            wing: "#c5801f",
            sky: "#e2ead9",
            ..CANARY
        },
    ),
    bird(
        "Yorkshire canary",
        "yorkshire-canary",
        "Tall and upright, the Yorkshire is called \"the gentleman of the fancy\". It was once so \
         slim that it was said to pass through a wedding ring.",
        Look {
            form: Form::Upright,
            tail: Tail::Long,
            sky: "#e9e2d6",
            ..CANARY
        },
    ),
    bird(
        "Lizard canary",
        "lizard-canary",
        "One of the oldest breeds, kept for the rows of crescents on its back, which look like \
         scales. The clear patch on its head is called the cap.",
        Look {
            back: "#a98f45",
            head: "#f1cf58",
            belly: "#d8bb63",
            wing: "#6d5c33",
            bar: "#e3cb7d",
            bill: "#4a4036",
            leg: "#4a4036",
            sky: "#e5e0ef",
            ..CANARY
        },
    ),
    bird(
        "Red factor canary",
        "red-factor-canary",
        "In the 1920s breeders crossed canaries with the red siskin of Venezuela. The gene lets \
         the bird turn pigments in its food red; without them it fades to orange.",
        Look {
            back: "#dd4f33",
            head: "#e55a3a",
            belly: "#ee8360",
            wing: "#b93a25",
            sky: "#e4ebf0",
            ..CANARY
        },
    ),
    bird(
        "Parisian Frill",
        "parisian-frill",
        "The feathers of frilled canaries curl outward over chest and back. The Parisian is the \
         largest of them, at nineteen centimetres or more.",
        Look {
            form: Form::Upright,
            crest: Crest::Mop,
            back: "#f6e6b4",
            head: "#f8eabd",
            belly: "#fff6d9",
            wing: "#e2cd8e",
            bar: "#fffaf0",
            sky: "#ece2ef",
            ..CANARY
        },
    ),
    bird(
        "Belgian canary",
        "belgian-canary",
        "A bird of posture: excited, it stretches its neck forward and down from high shoulders. \
         Most later breeds of position descend from it.",
        Look {
            form: Form::Upright,
            tail: Tail::Long,
            back: "#f3d670",
            head: "#f5dc7c",
            sky: "#dde7ee",
            ..CANARY
        },
    ),
    bird(
        "Yellow-fronted canary",
        "yellow-fronted-canary",
        "A wild relative from Africa south of the Sahara, common in open woodland and gardens. It \
         has a yellow brow and a dark moustache.",
        Look {
            back: "#8d9550",
            head: "#8a8f6a",
            face: "#f2d447",
            belly: "#f2d95c",
            wing: "#646a3d",
            bar: "#d9d27a",
            bill: "#6a5a4a",
            scene: Scene::Reeds,
            sky: "#f2ead0",
            ..CANARY
        },
    ),
    bird(
        "Cape canary",
        "cape-canary",
        "The Cape canary of southern Africa has a grey nape and a yellow face. It feeds in flocks \
         on seeds and buds, and sings in long, warbling phrases.",
        Look {
            back: "#94985a",
            head: "#a3a69f",
            face: "#e9cf4d",
            belly: "#ecd766",
            wing: "#6f7444",
            bill: "#6d6158",
            sky: "#dfe7ec",
            ..CANARY
        },
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn both_versions_know_enough_birds_and_every_slug_once() {
        assert!(WORLD.len() >= 35, "{}", WORLD.len());
        assert!(CANARIES.len() >= 14, "{}", CANARIES.len());
        let slugs: HashSet<_> = WORLD.iter().chain(CANARIES).map(|b| b.slug).collect();
        assert_eq!(slugs.len(), WORLD.len() + CANARIES.len());
        for slug in slugs {
            assert!(
                slug.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
                "{slug}"
            );
        }
    }

    #[test]
    fn every_extract_has_one_to_three_sentences() {
        for bird in WORLD.iter().chain(CANARIES) {
            let text = bird.extract;
            assert!(text.ends_with('.'), "{}", bird.slug);
            assert!(
                !text.contains("  ") && !text.contains('\n'),
                "{}",
                bird.slug
            );
            let sentences = text.matches(". ").count() + 1;
            assert!((1..=3).contains(&sentences), "{}", bird.slug);
        }
    }
}
