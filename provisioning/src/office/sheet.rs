//! What goes to the tech on paper: one page with the shop, the chain, the code and the way.

use percolate_common::time::UtcMillis;

use crate::qr::{Qr, QrError};

/// What stands on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sheet {
    pub(super) store: u32,
    pub(super) shop: String,
    pub(super) chain_name: String,
    pub(super) fingerprint: String,
    pub(super) code: String,
    pub(super) bundle: u64,
    pub(super) ends: UtcMillis,
    /// Where head office is asked, `https://HOST:PORT`.
    pub(super) hub: Option<String>,
    /// The file for the stick, without its folder.
    pub(super) file: String,
    /// Whether the box takes the place of another.
    pub(super) replaces: bool,
}

impl Sheet {
    /// What the pattern says: where to ask, and the code.
    pub(super) fn link(&self) -> String {
        format!("percolate:{}#{}", self.hub.as_deref().unwrap_or_default(), self.code)
    }

    pub(super) fn qr(&self) -> Result<Qr, QrError> {
        Qr::of(&self.link())
    }

    /// Until when the code can be used, by the minute.
    pub(super) fn until(&self) -> String {
        let text = self.ends.to_string();
        let (day, time) = text.split_once('T').unwrap_or((&text, ""));
        format!("{day}, {} UTC", time.get(..5).unwrap_or_default())
    }

    /// The page.
    pub(super) fn html(&self) -> Result<String, QrError> {
        let svg = self.qr()?.svg();
        let of = |text: &str| escaped(text);
        let hub = self.hub.as_deref().unwrap_or("https://HUB:8444");
        let place = if self.replaces {
            "<p class=\"note\">This box takes the place of another, which is shut out once this one is enrolled.</p>"
        } else {
            ""
        };
        let steps = [
            "<b>Connect</b> power, network, printer and screen. Start the box, and sign in at its screen.".to_owned(),
            format!("<b>Put in the stick.</b> On it lies <code>{}</code>.", of(&self.file)),
            format!(
                "<b>Bring the shop up</b>, as root:<br><code>provision up /media/stick/{} --chain {}</code>\
                 <br>Without a stick, and with a line:<br><code>provision up --hub {} --code -</code> and type the code.",
                of(&self.file),
                of(&self.fingerprint),
                of(hub)
            ),
            "<b>Read what it says.</b> Beside each WARN and FAIL stands what to do. After a FAIL do that, and type the same \
             again: it goes on where it was."
                .to_owned(),
            "<b>READY</b> and a receipt number: the shop sells. The box enrols itself when there is a line.".to_owned(),
            "<b>Take the stick out</b>, and give it back to head office with this sheet.".to_owned(),
        ];
        let steps: String = steps.iter().map(|step| format!("<li>{step}</li>\n")).collect();
        Ok(format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <title>Shop {store}, {shop}: bundle {bundle}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <header><p class=\"chain\">{chain}</p><h1>{shop}</h1><p class=\"number\">Shop {store}, bundle {bundle}</p></header>\n\
             <section class=\"code\"><div><h2>Code</h2><p class=\"digits\">{code}</p>\
             <p>Until <b>{until}</b>. One box, once.</p>\
             <h2>Chain</h2><p class=\"print\">{fingerprint}</p>\
             <h2>Head office</h2><p class=\"print\">{hub}</p></div>\n<div class=\"qr\">{svg}</div></section>\n{place}\n\
             <ol>\n{steps}</ol>\n\
             <footer>Whoever has this sheet can bring up this shop. Hand it over, do not mail it. Something goes wrong: \
             call head office, and read them the word in front of the sentence.</footer>\n</body>\n</html>\n",
            store = self.store,
            shop = of(&self.shop),
            bundle = self.bundle,
            chain = of(&self.chain_name),
            code = of(&self.code),
            until = of(&self.until()),
            fingerprint = of(&self.fingerprint),
            hub = of(hub),
        ))
    }
}

/// One page of A4 or letter, in black.
const STYLE: &str = "
@page { margin: 14mm 16mm; }
* { box-sizing: border-box; }
body { font: 11.5pt/1.45 Georgia, 'Times New Roman', serif; color: #111; max-width: 178mm; margin: 12mm auto; }
header { border-bottom: 1.2pt solid #111; padding-bottom: 4mm; margin-bottom: 6mm; }
.chain { margin: 0; letter-spacing: .08em; text-transform: uppercase; font-size: 9.5pt; }
h1 { font-size: 30pt; line-height: 1.1; margin: 1mm 0; font-weight: normal; }
.number { margin: 0; }
.code { display: flex; gap: 8mm; justify-content: space-between; align-items: flex-start; }
h2 { font: 9pt Helvetica, Arial, sans-serif; letter-spacing: .06em; text-transform: uppercase; margin: 4mm 0 .5mm; color: #444; }
.code h2:first-child { margin-top: 0; }
.digits { font: bold 21pt/1.2 'DejaVu Sans Mono', Menlo, Consolas, monospace; margin: 0; white-space: nowrap; }
.code p { margin: .5mm 0; }
.print, code { font-family: 'DejaVu Sans Mono', Menlo, Consolas, monospace; font-size: 9.5pt; overflow-wrap: anywhere; }
.qr { flex: 0 0 48mm; }
.qr svg { width: 48mm; height: 48mm; display: block; }
.note { border: .8pt solid #111; padding: 2mm 3mm; }
ol { padding-left: 6mm; margin: 7mm 0; }
li { margin: 0 0 2.6mm; padding-left: 1mm; }
footer { border-top: .6pt solid #111; padding-top: 3mm; font-size: 9.5pt; }
@media print { body { margin: 0; } }
";

/// A text as it stands in a page, whatever is in it.
fn escaped(text: &str) -> String {
    let mut page = String::new();
    for c in text.chars() {
        match c {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            c => page.push(c),
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        Sheet {
            store: 42,
            shop: "Harbour <Pier> & Co".to_owned(),
            chain_name: "Bytes & Brews".to_owned(),
            fingerprint: "QCPT-GGY1-C0NN-28DK-2NTG".to_owned(),
            code: "7K3M-9QXT-W2F5-HB82".to_owned(),
            bundle: 3,
            ends: UtcMillis::new(1_795_604_800_000),
            hub: Some("https://hub.example:8444".to_owned()),
            file: "store-042.percolate".to_owned(),
            replaces: false,
        }
    }

    #[test]
    fn the_page_has_all_that_a_tech_needs_and_no_markup_of_anybody_else() {
        let page = sheet().html().unwrap();
        for part in [
            "Harbour &lt;Pier&gt; &amp; Co",
            "Bytes &amp; Brews",
            "QCPT-GGY1-C0NN-28DK-2NTG",
            "7K3M-9QXT-W2F5-HB82",
            "2026-11-25, 11:06 UTC",
            "provision up /media/stick/store-042.percolate --chain QCPT-GGY1-C0NN-28DK-2NTG",
            "provision up --hub https://hub.example:8444 --code -",
            "<svg ",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(!page.contains("<Pier>") && !page.contains("<script") && !page.contains("takes the place"), "{page}");
        assert_eq!(page.matches("<li>").count(), 6);
        assert!(Sheet { replaces: true, ..sheet() }.html().unwrap().contains("takes the place of another"));
    }

    #[test]
    fn the_pattern_says_where_to_ask_and_the_code() {
        assert_eq!(sheet().link(), "percolate:https://hub.example:8444#7K3M-9QXT-W2F5-HB82");
    }
}
