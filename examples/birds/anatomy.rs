//! The parts of a bird, drawn one by one.

use std::fmt::Write as _;

use crate::picture::{Beak, Crest, Form, Look, Pose, Tail};
use crate::scenery;

/// The neck's centre line, from the body to the head.
pub(crate) fn neck(form: Form, pose: &Pose) -> String {
    let (x, y, rx, _, turn) = pose.body;
    let (hx, hy, _) = pose.head;
    match form {
        Form::Heron | Form::Swan => {
            let (sin, cos) = turn.to_radians().sin_cos();
            let (sx, sy) = (x + cos * rx * 0.74, y + sin * rx * 0.74);
            format!(
                "M{sx} {sy}C{} {} {} {} {hx} {hy}",
                sx + 62.,
                sy - 18.,
                hx - 56.,
                hy + 40.
            )
        }
        _ => {
            let (sx, sy) = (x + (hx - x) * 0.3, y + (hy - y) * 0.3);
            format!("M{sx} {sy}L{hx} {hy}")
        }
    }
}

pub(crate) fn neck_colour(look: &Look) -> &'static str {
    match look.form {
        Form::Heron | Form::Swan | Form::Duck | Form::Wader | Form::Penguin => look.head,
        _ => look.back,
    }
}

pub(crate) fn neck_stroke(out: &mut String, line: &str, width: f32, colour: &str) {
    let _ = write!(
        out,
        r#"<path d="{line}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linecap="round"/>"#
    );
}

pub(crate) fn tail(out: &mut String, look: &Look, pose: &Pose, local: &str) {
    if look.form == Form::Penguin {
        return;
    }
    let (_, _, rx, ry, _) = pose.body;
    let root = -rx * 0.72;
    let fan = |len: f32, width: f32| {
        let tip = root - len;
        format!(
            "M{root} {}L{tip} {}Q{} 0 {tip} {}L{root} {}Z",
            -ry * 0.36,
            -width,
            tip - 9.,
            width,
            ry * 0.36
        )
    };
    let (path, turn) = match look.tail {
        Tail::Short => (fan(48., 12.), 0),
        Tail::Medium => (fan(74., 13.), 0),
        Tail::Long => (fan(98., 13.), 0),
        Tail::VeryLong => (fan(136., 10.), 0),
        Tail::Cocked => (fan(62., 10.), 78),
        Tail::Fork => (
            format!(
                "M{root} -8L{0} -16L{1} 0L{0} 16L{root} 8Z",
                root - 66.,
                root - 38.
            ),
            0,
        ),
        Tail::Streamer => (
            format!(
                "M{root} -9Q{0} -12 {1} -22Q{0} -4 {2} 0Q{0} 4 {1} 22Q{0} 12 {root} 9Z",
                root - 50.,
                root - 122.,
                root - 30.
            ),
            0,
        ),
        Tail::Train => (
            format!(
                "M{root} -10Q{0} -16 {1} 30Q{2} 60 {3} 84Q{4} 40 {0} 6Q{5} 34 {6} 66Q{7} 20 {root} 12Z",
                root - 46.,
                root - 72.,
                root - 84.,
                root - 82.,
                root - 62.,
                root - 44.,
                root - 50.,
                root - 30.
            ),
            0,
        ),
    };
    let _ = write!(
        out,
        r#"<g {local}><path d="{path}" fill="{}" transform="rotate({turn} {root} 0)"/></g>"#,
        look.wing
    );
}

pub(crate) fn legs(out: &mut String, look: &Look, pose: &Pose) {
    let Some(feet) = pose.feet else { return };
    let (x, y, _, ry, _) = pose.body;
    let top = y + ry * 0.6;
    let (spread, width) = match look.form {
        Form::Heron | Form::Wader => (9., 4.5),
        Form::Penguin => (20., 12.),
        Form::Raptor | Form::Upright => (14., 9.),
        _ => (13., 5.),
    };
    let _ = write!(
        out,
        r#"<g stroke="{}" stroke-width="{width}" stroke-linecap="round" stroke-linejoin="round" fill="none">"#,
        look.leg
    );
    for side in [-spread, spread] {
        let foot = x + 6. + side;
        let _ = write!(
            out,
            r#"<path d="M{} {top}L{foot} {feet}m-9 1l9 -1l11 1"/>"#,
            x + side * 0.8
        );
    }
    out.push_str("</g>");
}

pub(crate) fn folded_wing(out: &mut String, look: &Look, pose: &Pose, local: &str) {
    if look.form == Form::Penguin {
        flipper(out, look, pose);
        return;
    }
    let (_, _, rx, ry, _) = pose.body;
    let _ = write!(
        out,
        r#"<g {local}><path d="M{} {}C{} {} {} {} {} {}C{} {} {} {} {0} {1}Z" fill="{}"/>"#,
        rx * 0.42,
        -ry * 0.2,
        rx * 0.1,
        -ry * 0.72,
        -rx * 0.6,
        -ry * 0.62,
        -rx * 1.16,
        ry * 0.02,
        -rx * 0.62,
        ry * 0.62,
        rx * 0.26,
        ry * 0.66,
        look.wing
    );
    if !look.bar.is_empty() {
        let _ = write!(
            out,
            r#"<g fill="none" stroke="{}" stroke-width="5" stroke-linecap="round">"#,
            look.bar
        );
        for (at, half) in [(0.12, 0.36), (-0.2, 0.4), (-0.52, 0.3)] {
            let _ = write!(
                out,
                r#"<path d="M{} {}Q{} {} {} {}"/>"#,
                rx * at,
                -ry * half,
                rx * (at - 0.14),
                ry * 0.06,
                rx * at,
                ry * half
            );
        }
        out.push_str("</g>");
    }
    out.push_str("</g>");
}

fn flipper(out: &mut String, look: &Look, pose: &Pose) {
    let (x, y, ..) = pose.body;
    let _ = write!(
        out,
        r#"<path d="M{} {}Q{} {} {} {}Q{} {} {0} {1}Z" fill="{}"/>"#,
        x - 26.,
        y - 62.,
        x - 72.,
        y - 4.,
        x - 52.,
        y + 50.,
        x - 4.,
        y + 6.,
        look.wing
    );
}

pub(crate) fn spread_wing(out: &mut String, look: &Look, pose: &Pose, far: bool) {
    let (x, y, rx, ..) = pose.body;
    let (colour, dx, opacity) = if far {
        (look.back, 22., "0.85")
    } else {
        (look.wing, 0., "1")
    };
    let (tip_x, tip_y) = match (look.form, far) {
        (Form::Hover, false) => (x - 96., y - 96.),
        (Form::Hover, true) => (x - 34., y - 136.),
        (_, false) => (x - 92., y + 108.),
        (_, true) => (x - 66., y - 116.),
    };
    let root = if look.form == Form::Hover {
        14.
    } else {
        rx * 0.42
    };
    let _ = write!(
        out,
        r#"<path d="M{} {}Q{} {} {tip_x} {tip_y}Q{} {} {} {}Z" fill="{colour}" opacity="{opacity}"/>"#,
        x + root + dx,
        y - 8.,
        x + root * 0.6 + dx,
        y + (tip_y - y) * 0.62,
        x - rx * 0.7 + dx,
        y + (tip_y - y) * 0.42,
        x - root * 0.8 + dx,
        y + 2.,
    );
}

pub(crate) fn head(out: &mut String, look: &Look, pose: &Pose) {
    let (x, y, r) = pose.head;
    crest(out, look, pose);
    beak(out, look, pose);
    let _ = write!(
        out,
        r#"<clipPath id="head"><circle cx="{x}" cy="{y}" r="{r}"/></clipPath><circle cx="{x}" cy="{y}" r="{r}" fill="{}"/>"#,
        look.head
    );
    if !look.face.is_empty() {
        let _ = write!(
            out,
            r#"<g clip-path="url(#head)"><circle cx="{}" cy="{}" r="{}" fill="{}"/></g>"#,
            x + r * 0.5,
            y + r * 0.5,
            r * 0.78,
            look.face
        );
    }
    if matches!(look.crest, Crest::Stripe) {
        let _ = write!(
            out,
            r##"<path d="M{} {}Q{x} {} {} {}" fill="none" stroke="#f2b92f" stroke-width="8" stroke-linecap="round"/>"##,
            x - r * 0.7,
            y - r * 0.62,
            y - r * 1.26,
            x + r * 0.62,
            y - r * 0.72
        );
    }
    eye(out, x + r * 0.34, y - r * 0.12, r * 0.17 + 1., look.eye);
}

fn eye(out: &mut String, x: f32, y: f32, r: f32, colour: &str) {
    let _ = write!(
        out,
        r##"<circle cx="{x}" cy="{y}" r="{}" fill="#fff" opacity="0.45"/><circle cx="{x}" cy="{y}" r="{r}" fill="{colour}"/><circle cx="{}" cy="{}" r="{}" fill="#fff"/>"##,
        r + 1.6,
        x + r * 0.34,
        y - r * 0.36,
        r * 0.32
    );
}

fn beak(out: &mut String, look: &Look, pose: &Pose) {
    let (x, y, r) = pose.head;
    let scale = (r / 33.).max(0.66);
    let (path, tip) = match look.beak {
        Beak::Fine => ("M-6 -6L26 2L-6 7Z", ""),
        Beak::Stub => ("M-6 -6L14 2L-6 8Z", ""),
        Beak::Cone => ("M-8 -11Q12 -8 22 4Q8 10 -8 13Z", ""),
        Beak::Dagger => ("M-6 -8L58 4L-6 10Z", ""),
        Beak::Hook => ("M-6 -11Q24 -13 21 16Q13 7 -6 10Z", ""),
        Beak::Wedge => (
            "M-8 -20Q30 -16 34 6Q14 20 -8 20Z",
            "M-8 -20Q4 -19 6 -18Q12 0 6 19L-8 20Z",
        ),
        Beak::Sickle => ("M-6 -6Q38 -8 62 24Q34 6 -6 7Z", ""),
        Beak::Probe => ("M-6 -6L112 4Q116 8 110 8L-6 8Z", ""),
        Beak::Upturned => ("M-6 -5Q56 16 100 -18Q60 26 -6 7Z", ""),
        Beak::Flat => ("M-8 -10Q18 -3 42 4Q46 13 32 14Q10 14 -8 13Z", ""),
        Beak::Bent => (
            "M-8 -10Q26 -12 34 10Q36 28 20 40Q18 14 -8 13Z",
            "M34 10Q36 28 20 40Q19 26 18 20Z",
        ),
        Beak::Stout => ("M-6 -11Q26 -10 38 9Q12 10 -6 13Z", ""),
        Beak::Needle => ("M-6 -3L116 -10L-6 5Z", ""),
        Beak::Giant => (
            "M-12 -24Q70 -40 108 18Q62 26 -12 22Z",
            "M92 -4Q102 6 108 18Q98 20 88 20Q94 8 92 -4Z",
        ),
    };
    let dark = if matches!(look.beak, Beak::Wedge) {
        "#56687c"
    } else {
        "#26242a"
    };
    let _ = write!(
        out,
        r#"<g transform="translate({} {y}) scale({scale})"><path d="{path}" fill="{}"/>"#,
        x + r * 0.86,
        look.bill
    );
    if !tip.is_empty() {
        let _ = write!(out, r#"<path d="{tip}" fill="{dark}"/>"#);
    }
    out.push_str("</g>");
}

fn crest(out: &mut String, look: &Look, pose: &Pose) {
    let (x, y, r) = pose.head;
    let open = format!(r#"<g transform="translate({x} {y}) scale({})">"#, r / 33.);
    let shape = match look.crest {
        Crest::None | Crest::Stripe => return,
        Crest::Tuft => format!(
            r#"<path d="M20 -26Q-6 -46 -40 -62Q-24 -30 -30 -8Z" fill="{}"/>"#,
            look.head
        ),
        Crest::Plume => format!(
            r#"<g fill="none" stroke="{}" stroke-linecap="round" stroke-width="6"><path d="M0 -26Q-40 -34 -78 -14"/><path d="M-10 -24Q-44 -24 -66 -2"/></g>"#,
            if look.bar.is_empty() {
                look.head
            } else {
                dark_of(look)
            }
        ),
        Crest::Fan => {
            let mut fan = String::new();
            for step in 0..6_u8 {
                let _ = write!(
                    fan,
                    r##"<g transform="rotate({})"><ellipse cx="0" cy="-50" rx="8" ry="27" fill="{}"/><circle cx="0" cy="-70" r="7" fill="{}"/></g>"##,
                    24 - i16::from(step) * 21,
                    look.head,
                    look.wing
                );
            }
            fan
        }
        Crest::Swept => format!(
            r#"<path d="M22 -26Q-14 -48 -62 -20Q-40 -10 -30 6Z" fill="{}"/>"#,
            look.head
        ),
        Crest::Mop => format!(
            r#"<path d="M32 -10Q44 -40 6 -46Q-34 -50 -44 -14Q-20 -6 -6 -14Q10 -4 32 -10Z" fill="{}"/>"#,
            look.wing
        ),
    };
    let _ = write!(out, "{open}{shape}</g>");
}

/// The darker of the marking and the wing.
fn dark_of(look: &Look) -> &'static str {
    if scenery::luminance(look.bar) < scenery::luminance(look.wing) {
        look.bar
    } else {
        look.wing
    }
}

pub(crate) fn owl(out: &mut String, look: &Look, pose: &Pose) {
    let (x, y, rx, ry, _) = pose.body;
    let (hx, hy, r) = pose.head;
    let _ = write!(
        out,
        r#"<path d="M{} {y}L{} 272L{} 272L{} {y}Z" fill="{}"/>"#,
        x - 26.,
        x - 18.,
        x + 18.,
        x + 26.,
        look.wing
    );
    legs(out, look, pose);
    let _ = write!(
        out,
        r#"<ellipse cx="{x}" cy="{y}" rx="{rx}" ry="{ry}" fill="{0}"/><ellipse cx="{x}" cy="{1}" rx="{2}" ry="{3}" fill="{4}"/>"#,
        look.back,
        y + 4.,
        rx * 0.72,
        ry * 0.88,
        look.belly
    );
    for side in [-1_f32, 1.] {
        let _ = write!(
            out,
            r#"<path d="M{0} {1}Q{2} {3} {4} {5}Q{6} {7} {0} {1}Z" fill="{8}"/>"#,
            x + side * rx * 0.62,
            y - ry * 0.66,
            x + side * rx * 1.36,
            y - 6.,
            x + side * rx * 0.56,
            y + ry * 0.88,
            x + side * rx * 0.44,
            y,
            look.wing
        );
    }
    for (dx, dy) in [
        (-20., 10.),
        (0., 2.),
        (20., 10.),
        (-11., 32.),
        (11., 32.),
        (0., 52.),
    ] {
        let _ = write!(
            out,
            r#"<path d="M{} {}q5 8 10 0" fill="none" stroke="{}" stroke-width="3" stroke-linecap="round"/>"#,
            x + dx - 5.,
            y + dy,
            look.bar
        );
    }
    let _ = write!(
        out,
        r#"<circle cx="{hx}" cy="{hy}" r="{r}" fill="{}"/>"#,
        look.head
    );
    for side in [-1_f32, 1.] {
        let _ = write!(
            out,
            r#"<ellipse cx="{0}" cy="{1}" rx="25" ry="33" fill="{2}" transform="rotate({3} {0} {1})"/>"#,
            hx + side * 20.,
            hy + 2.,
            look.face,
            side * -18.
        );
    }
    for side in [-1_f32, 1.] {
        eye(out, hx + side * 21., hy - 2., 9.5, look.eye);
        if look.eye != "#1d1a19" {
            let _ = write!(
                out,
                r##"<circle cx="{}" cy="{}" r="5" fill="#1d1a19"/>"##,
                hx + side * 21.,
                hy - 2.
            );
        }
    }
    let _ = write!(
        out,
        r#"<path d="M{} {}Q{hx} {} {} {}Q{hx} {} {0} {1}Z" fill="{}"/>"#,
        hx - 6.,
        hy + 8.,
        hy + 2.,
        hx + 6.,
        hy + 8.,
        hy + 36.,
        look.bill
    );
}
