//! The page, put together from its parts so that it needs nothing but itself.

const SKELETON: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page with `configuration` on it.
pub(super) fn render(configuration: &str) -> String {
    let shown = if configuration.is_empty() { "# not known to the origin server" } else { configuration };
    // The text that comes from outside goes in last: nothing in it is taken for a place to fill.
    SKELETON.replacen("{{style}}", STYLE, 1).replacen("{{script}}", SCRIPT, 1).replacen(
        "{{configuration}}",
        &escape(shown.trim_end()),
        1,
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_filled() {
        let page = render("listen 80; # {{style}} </pre><script>&");
        assert!(page.contains("listen 80; # {{style}} &lt;/pre&gt;&lt;script&gt;&amp;"));
        assert!(!page.contains("{{script}}") && !page.contains("{{configuration}}"));
        assert!(render("").contains("# not known"));
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        let page = render("");
        for foreign in ["https://", "src=", "@import", "<link rel=\"stylesheet\""] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn what_the_browser_test_relies_on_is_there() {
        let page = render("");
        for part in ["id=\"state\"", "id=\"log\"", "id=\"form\"", "id=\"message\"", "window.underpass"] {
            assert!(page.contains(part), "{part}");
        }
    }
}
