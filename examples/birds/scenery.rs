//! What is around the bird in its picture: sky, hills, water, branches.

use std::fmt::Write as _;

use crate::picture::{Look, Scene};

/// How bright a colour `#rrggbb` looks, from 0 to 255; 255 for what is no colour.
pub(crate) fn luminance(colour: &str) -> u32 {
    let part = |from: usize| {
        colour
            .get(from..from + 2)
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .unwrap_or(255)
    };
    (part(1) * 30 + part(3) * 59 + part(5) * 11) / 100
}

/// Everything behind the bird.
pub(crate) fn behind(out: &mut String, look: &Look, feet: Option<f32>) {
    let night = luminance(look.sky) < 110;
    let _ = write!(
        out,
        r#"<rect width="400" height="300" fill="{}"/>"#,
        look.sky
    );
    let (disc, glow) = if night {
        ("#f4ecd2", "0.9")
    } else {
        ("#fff", "0.55")
    };
    let (cx, cy, r) = if night {
        (322, 62, 26)
    } else {
        (212, 140, 122)
    };
    let _ = write!(
        out,
        r#"<circle cx="{cx}" cy="{cy}" r="{r}" fill="{disc}" opacity="{glow}"/>"#
    );
    if night {
        for (x, y) in [
            (48, 46),
            (96, 90),
            (140, 34),
            (236, 30),
            (362, 130),
            (30, 140),
        ] {
            let _ = write!(
                out,
                r##"<circle cx="{x}" cy="{y}" r="1.8" fill="#f4ecd2" opacity="0.8"/>"##
            );
        }
    }
    let shade = if night { "#fff" } else { "#3d5a55" };
    if !matches!(look.scene, Scene::Air | Scene::Cage) {
        let _ = write!(
            out,
            r#"<path d="M0 222Q70 176 150 214T300 206T400 190V300H0Z" fill="{shade}" opacity="0.09"/><path d="M0 248Q90 214 190 242T400 226V300H0Z" fill="{shade}" opacity="0.1"/>"#
        );
    }
    place(out, look.scene, feet.unwrap_or(240.));
}

fn place(out: &mut String, scene: Scene, feet: f32) {
    match scene {
        Scene::Branch | Scene::SnowBranch => branch(out, scene, feet),
        Scene::Flower => flower(out, feet),
        Scene::Reeds => reeds(out, feet),
        Scene::Ground => {
            let _ = write!(
                out,
                r##"<path d="M0 {}Q120 {} 220 {}T400 {}V300H0Z" fill="#93a878"/><g stroke="#7a9163" stroke-width="4" stroke-linecap="round"><path d="M52 286l-5 -22M60 288l4 -26M322 284l-4 -24M331 286l7 -20"/></g>"##,
                feet + 12.,
                feet - 8.,
                feet - 2.,
                feet + 6.
            );
        }
        Scene::Rock => {
            let _ = write!(
                out,
                r##"<path d="M70 300L96 {} L150 {feet} L262 {} L310 {} L338 300Z" fill="#8c8f95"/><path d="M150 {feet} L262 {} L232 300 L170 300Z" fill="#9da0a5"/>"##,
                feet + 20.,
                feet - 3.,
                feet + 22.,
                feet - 3.
            );
        }
        Scene::Snow => {
            let _ = write!(
                out,
                r##"<path d="M0 {}Q110 {} 210 {}T400 {}V300H0Z" fill="#f9fbfd"/><path d="M0 286Q140 268 400 282V300H0Z" fill="#e5edf5"/>"##,
                feet + 8.,
                feet - 14.,
                feet - 4.,
                feet - 2.
            );
        }
        Scene::Shore => {
            let _ = write!(
                out,
                r##"<rect y="206" width="400" height="94" fill="#9fc3cd"/><path d="M0 {}Q130 {} 230 {}T400 {}V300H0Z" fill="#e3d3b0"/>"##,
                feet + 4.,
                feet - 16.,
                feet - 6.,
                feet - 2.
            );
        }
        Scene::Water => {
            out.push_str(r##"<rect y="200" width="400" height="100" fill="#8fb8c4"/>"##);
        }
        Scene::Air => {
            for (x, y, s) in [(70, 70, 1.), (318, 226, 1.2), (330, 54, 0.7)] {
                let _ = write!(
                    out,
                    r##"<g transform="translate({x} {y}) scale({s})" fill="#fff" opacity="0.7"><ellipse rx="46" ry="13"/><ellipse cx="-14" cy="-10" rx="20" ry="14"/><ellipse cx="12" cy="-13" rx="24" ry="18"/></g>"##
                );
            }
        }
        Scene::Trunk => {
            out.push_str(
                r##"<path d="M282 0Q276 150 284 300H400V0Z" fill="#8a6a50"/><g fill="none" stroke="#745640" stroke-width="5" stroke-linecap="round"><path d="M306 20q-6 60 2 120M330 120q8 70 0 150M360 10q-8 80 2 150M304 190q6 40 0 80"/></g>"##,
            );
        }
        Scene::Cage => cage(out, feet),
    }
}

fn branch(out: &mut String, scene: Scene, feet: f32) {
    let y = feet + 6.;
    let _ = write!(
        out,
        r##"<g fill="none" stroke="#77583f" stroke-linecap="round"><path d="M-10 {}Q120 {} 230 {y}T410 {}" stroke-width="12"/><path d="M296 {}Q330 {} 352 {}" stroke-width="6"/></g>"##,
        y + 22.,
        y - 6.,
        y - 18.,
        y - 3.,
        y - 28.,
        y - 56.
    );
    if scene == Scene::SnowBranch {
        let _ = write!(
            out,
            r##"<path d="M-10 {}Q120 {} 230 {}T410 {}" fill="none" stroke="#fbfdff" stroke-width="5" stroke-linecap="round"/><g fill="#fff">"##,
            y + 17.,
            y - 11.,
            y - 5.,
            y - 23.
        );
        for (x, top) in [
            (40, 60),
            (92, 130),
            (64, 210),
            (330, 70),
            (366, 150),
            (300, 30),
        ] {
            let _ = write!(out, r#"<circle cx="{x}" cy="{top}" r="4"/>"#);
        }
        out.push_str("</g>");
        let _ = write!(
            out,
            r##"<g fill="#c8423a"><circle cx="352" cy="{}" r="7"/><circle cx="340" cy="{}" r="6"/></g>"##,
            y - 60.,
            y - 48.
        );
        return;
    }
    for (x, dy, turn) in [
        (352., -58., -30),
        (330., -36., 20),
        (368., -34., 60),
        (44., 6., -50),
        (70., 20., 150),
    ] {
        let _ = write!(
            out,
            r##"<path d="M0 0Q14 -14 34 0Q14 14 0 0Z" fill="#7f9c6c" transform="translate({x} {}) rotate({turn})"/>"##,
            y + dy
        );
    }
}

fn flower(out: &mut String, feet: f32) {
    let y = feet + 5.;
    let _ = write!(
        out,
        r##"<g fill="none" stroke="#6f8f5c" stroke-width="7" stroke-linecap="round"><path d="M60 310Q90 {} 200 {y}T352 104"/><path d="M352 104Q372 220 366 310"/></g><path d="M100 {}q-30 -30 -56 -14q18 26 56 14Z" fill="#7f9c6c"/>"##,
        y + 8.,
        y + 18.
    );
    out.push_str(r#"<g transform="translate(354 96)">"#);
    for step in 0..7 {
        let _ = write!(
            out,
            r##"<ellipse cx="0" cy="-22" rx="10" ry="20" fill="#b9567f" transform="rotate({})"/>"##,
            step * 51
        );
    }
    out.push_str(r##"<circle r="11" fill="#f0c65a"/></g>"##);
}

fn reeds(out: &mut String, feet: f32) {
    out.push_str(r##"<rect y="252" width="400" height="48" fill="#9dbfc4"/>"##);
    for (x, top, lean) in [
        (38, 90, 14),
        (64, 130, -8),
        (90, 60, 6),
        (338, 80, -12),
        (364, 120, 10),
        (318, 150, 4),
    ] {
        let _ = write!(
            out,
            r##"<path d="M{x} 300Q{} 200 {} {top}" fill="none" stroke="#8c9a5f" stroke-width="5" stroke-linecap="round"/><ellipse cx="{1}" cy="{top}" rx="6" ry="20" fill="#7d5a3c"/>"##,
            x + lean / 2,
            x + lean
        );
    }
    if feet < 260. {
        let _ = write!(
            out,
            r##"<path d="M-10 {}Q180 {} 410 {}" fill="none" stroke="#8a7a4f" stroke-width="9" stroke-linecap="round"/>"##,
            feet + 18.,
            feet - 2.,
            feet + 14.
        );
    }
}

fn cage(out: &mut String, feet: f32) {
    out.push_str(
        r##"<g fill="none" stroke="#d3a95c" stroke-width="4"><path d="M90 290V130Q90 34 200 34T310 130V290Z"/><path d="M134 290V74M178 290V37M222 290V37M266 290V74" opacity="0.55"/><circle cx="200" cy="24" r="9"/></g>"##,
    );
    let _ = write!(
        out,
        r##"<path d="M90 {0}H310" stroke="#8a6a44" stroke-width="8" stroke-linecap="round"/><rect x="84" y="282" width="232" height="12" rx="4" fill="#b98d48"/>"##,
        feet + 5.
    );
}

/// Everything in front of the bird.
pub(crate) fn before(out: &mut String, look: &Look, feet: Option<f32>) {
    match look.scene {
        Scene::Water => {
            let line = feet.map_or(208., |feet| feet - 26.);
            let _ = write!(
                out,
                r##"<path d="M0 {line}Q50 {} 100 {line}T200 {line}T300 {line}T400 {line}V300H0Z" fill="#a3c8d1" opacity="0.93"/><g fill="none" stroke="#e9f4f5" stroke-width="3" stroke-linecap="round" opacity="0.8"><path d="M60 {1}h70M180 {2}h96M300 {1}h44"/></g>"##,
                line - 6.,
                line + 26.,
                line + 44.
            );
        }
        Scene::Reeds if feet.is_some_and(|feet| feet >= 260.) => {
            out.push_str(
                r##"<path d="M0 256Q50 250 100 256T200 256T300 256T400 256V300H0Z" fill="#9dbfc4" opacity="0.9"/>"##,
            );
        }
        Scene::Snow if feet.is_some() => {
            out.push_str(r##"<path d="M0 292Q140 276 400 288V300H0Z" fill="#f9fbfd"/>"##);
        }
        _ => {}
    }
}
