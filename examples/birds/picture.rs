//! Draws the birds: a small poster in SVG out of a handful of parameters per bird.
//!
//! A picture is a scene, then the bird from back to front: far wing, tail, legs, body, markings,
//! near wing, head. All shapes are derived from the [`Pose`] of the bird's [`Form`]; the colours
//! come from its [`Look`]. Only presentation attributes are used, so the pictures need neither
//! script nor style sheet.

use std::fmt::Write as _;

use crate::{anatomy, scenery};

/// Proportions and posture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A perching songbird.
    Song,
    /// A small bird that is nearly a ball.
    Round,
    /// An upright sitter, such as the puffin.
    Upright,
    /// A large upright bird with strong legs.
    Raptor,
    /// Upright and looking at you.
    Owl,
    /// A penguin.
    Penguin,
    /// Long legs and a long, curved neck.
    Heron,
    /// Long legs, short neck.
    Wader,
    /// Swimming, short neck.
    Duck,
    /// Swimming, long neck.
    Swan,
    /// In the air, wings spread.
    Flight,
    /// Hovering in front of a flower.
    Hover,
    /// On a trunk.
    Climber,
}

/// The beak's shape.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Beak {
    Fine,
    Stub,
    Cone,
    Dagger,
    Hook,
    Wedge,
    Sickle,
    Probe,
    Upturned,
    Flat,
    Bent,
    Stout,
    Needle,
    Giant,
}

/// The tail's shape.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tail {
    Short,
    Medium,
    Long,
    VeryLong,
    Cocked,
    Fork,
    Streamer,
    Train,
}

/// What stands up on the head.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Crest {
    None,
    Tuft,
    Plume,
    Fan,
    Swept,
    Stripe,
    Mop,
}

/// Where the bird is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scene {
    Branch,
    SnowBranch,
    Flower,
    Reeds,
    Ground,
    Rock,
    Snow,
    Shore,
    Water,
    Air,
    Trunk,
    Cage,
}

/// Everything that a picture depends on. Colours are `#rrggbb`; an empty one is left out.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) form: Form,
    pub(crate) beak: Beak,
    pub(crate) tail: Tail,
    pub(crate) crest: Crest,
    pub(crate) scene: Scene,
    pub(crate) back: &'static str,
    pub(crate) head: &'static str,
    pub(crate) face: &'static str,
    pub(crate) breast: &'static str,
    pub(crate) belly: &'static str,
    pub(crate) wing: &'static str,
    pub(crate) bar: &'static str,
    pub(crate) bill: &'static str,
    pub(crate) leg: &'static str,
    pub(crate) sky: &'static str,
    pub(crate) eye: &'static str,
}

/// Where the parts of a form lie on the canvas of 400 × 300, the bird looking right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pose {
    /// The body's ellipse: centre, radii, and its turn in degrees.
    pub(crate) body: (f32, f32, f32, f32, f32),
    /// The head's circle: centre and radius.
    pub(crate) head: (f32, f32, f32),
    /// The neck's thickness.
    pub(crate) neck: f32,
    /// The height of the feet; none for those that swim or fly.
    pub(crate) feet: Option<f32>,
}

/// Draws one bird. `title` is read out by screen readers.
pub(crate) fn svg(title: &str, look: &Look) -> String {
    let pose = pose(look.form);
    let mut out = String::with_capacity(6 * 1024);
    out.push_str(r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 300" role="img">"##);
    let _ = write!(out, "<title>{title}</title>");
    scenery::behind(&mut out, look, pose.feet);
    if look.form == Form::Owl {
        anatomy::owl(&mut out, look, &pose);
    } else {
        bird(&mut out, look, &pose);
    }
    scenery::before(&mut out, look, pose.feet);
    out.push_str("</svg>");
    out
}

fn pose(form: Form) -> Pose {
    let (body, head, neck, feet) = match form {
        Form::Song => (
            (186., 166., 70., 45., -26.),
            (240., 116., 33.),
            58.,
            Some(240.),
        ),
        Form::Round => (
            (190., 168., 62., 55., -18.),
            (228., 124., 37.),
            70.,
            Some(241.),
        ),
        Form::Upright => (
            (190., 166., 78., 46., -58.),
            (226., 88., 34.),
            58.,
            Some(246.),
        ),
        Form::Raptor => (
            (186., 164., 84., 52., -54.),
            (230., 82., 33.),
            56.,
            Some(250.),
        ),
        Form::Owl => (
            (200., 178., 60., 74., 0.),
            (200., 104., 56.),
            90.,
            Some(252.),
        ),
        Form::Penguin => (
            (196., 168., 58., 92., 4.),
            (206., 72., 34.),
            60.,
            Some(262.),
        ),
        Form::Heron => (
            (172., 140., 66., 36., -20.),
            (252., 46., 18.),
            19.,
            Some(268.),
        ),
        Form::Wader => (
            (182., 160., 64., 37., -14.),
            (246., 112., 24.),
            27.,
            Some(260.),
        ),
        Form::Duck => ((182., 190., 92., 43., -5.), (262., 128., 32.), 42., None),
        Form::Swan => ((168., 186., 96., 50., -8.), (272., 78., 21.), 25., None),
        Form::Flight => ((196., 152., 74., 24., -10.), (258., 137., 22.), 36., None),
        Form::Hover => ((178., 158., 54., 24., -52.), (212., 106., 21.), 32., None),
        Form::Climber => ((206., 164., 74., 40., -68.), (240., 88., 31.), 48., None),
    };
    Pose {
        body,
        head,
        neck,
        feet,
    }
}

fn bird(out: &mut String, look: &Look, pose: &Pose) {
    let (x, y, rx, ry, turn) = pose.body;
    let (hx, hy, _) = pose.head;
    let local = format!(r#"transform="translate({x} {y}) rotate({turn})""#);
    let neck = anatomy::neck(look.form, pose);
    let torso = format!(r#"<ellipse rx="{rx}" ry="{ry}" {local}/>"#);

    if matches!(look.form, Form::Flight | Form::Hover) {
        anatomy::spread_wing(out, look, pose, true);
    }
    anatomy::tail(out, look, pose, &local);
    anatomy::legs(out, look, pose);
    let _ = write!(
        out,
        r#"<clipPath id="torso">{torso}</clipPath><g fill="{}">{torso}</g>"#,
        look.back
    );
    anatomy::neck_stroke(out, &neck, pose.neck, anatomy::neck_colour(look));
    let _ = write!(
        out,
        r#"<g clip-path="url(#torso)"><ellipse cx="{}" cy="{}" rx="{}" ry="{}" fill="{}" transform="rotate({turn} {x} {y})"/></g>"#,
        x + rx * 0.22,
        y + ry * 0.52,
        rx * 1.05,
        ry * 0.86,
        look.belly
    );
    if !look.breast.is_empty() {
        let along = 0.45;
        let _ = write!(
            out,
            r#"<circle cx="{}" cy="{}" r="{}" fill="{}"/>"#,
            x + (hx - x) * along + 6.,
            y + (hy - y) * along + 8.,
            ry * 0.74,
            look.breast
        );
    }
    if matches!(look.form, Form::Flight | Form::Hover) {
        anatomy::spread_wing(out, look, pose, false);
    } else {
        anatomy::folded_wing(out, look, pose, &local);
    }
    anatomy::head(out, look, pose);
}

#[cfg(test)]
mod tests {
    use crate::flock::{CANARIES, WORLD};

    #[test]
    fn every_bird_has_a_picture_of_its_own_without_script_or_style() {
        let mut seen = std::collections::HashSet::new();
        for bird in WORLD.iter().chain(CANARIES) {
            let picture = super::svg(bird.name, &bird.look);
            assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>"));
            assert!(!picture.contains("<script") && !picture.contains("style"));
            assert!(
                !picture.contains("NaN") && !picture.contains("inf"),
                "{}",
                bird.slug
            );
            assert_eq!(
                picture.matches("<g").count(),
                picture.matches("</g>").count()
            );
            let drawing = picture.split_once("</title>").unwrap().1.to_owned();
            assert!(
                seen.insert(drawing),
                "{} looks like another bird",
                bird.slug
            );
        }
    }
}
