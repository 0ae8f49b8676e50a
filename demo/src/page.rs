//! The page, put together from its parts so that it needs nothing but itself.

const SKELETON: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page with `configuration` on it, and with a button that drains where `can_drain`.
pub(super) fn render(configuration: &str, can_drain: bool) -> String {
    let shown = if configuration.is_empty() { "# not known to the origin server" } else { configuration };
    // The text that comes from outside goes in last: nothing in it is taken for a place to fill.
    [
        ("{{style}}", STYLE),
        ("{{script}}", SCRIPT),
        ("{{drain}}", if can_drain { "" } else { "hidden" }),
        ("{{configuration}}", &escape(shown.trim_end())),
    ]
    .iter()
    .fold(SKELETON.to_owned(), |page, (place, text)| page.replacen(place, text, 1))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_filled() {
        let page = render("listen 80; # {{style}} </pre><script>&", true);
        assert!(page.contains("listen 80; # {{style}} &lt;/pre&gt;&lt;script&gt;&amp;"));
        for place in ["{{script}}", "{{configuration}}", "{{drain}}"] {
            assert!(!page.contains(place), "{place}");
        }
        assert!(render("", false).contains("# not known"));
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        let page = render("", false);
        for foreign in ["https://", "src=", "@import", "<link rel=\"stylesheet\""] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn what_the_browser_test_relies_on_is_there() {
        let page = render("", false);
        for part in [
            "id=\"state\"",
            "id=\"log\"",
            "id=\"form\"",
            "id=\"message\"",
            "id=\"drain\"",
            "id=\"client-ping\"",
            "id=\"upstream-ping\"",
            "window.underpass",
        ] {
            assert!(page.contains(part), "{part}");
        }
    }
}
