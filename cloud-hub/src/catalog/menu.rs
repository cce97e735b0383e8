//! The menu as a file that people write: read whole, every fault named with its place.

use std::path::{Path, PathBuf};

use percolate_common::domain::catalog::Draft;
use percolate_common::money::Currency;
use percolate_common::wire::menu::{MenuFault, MenuV1};
use percolate_runtime::files::{FileError, read_text};

/// A menu that is ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    /// What its prices are in.
    pub currency: Currency,
    /// What it says.
    pub content: Draft,
}

/// A menu file that cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum MenuError {
    /// The file cannot be read.
    #[error("the menu file cannot be read")]
    Read(#[source] FileError),
    /// There is no such file.
    #[error("there is no menu file {path}")]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Not JSON, or not of the right shape.
    #[error("the menu cannot be read at {pointer}")]
    Shape {
        /// Where, as a JSON pointer.
        pointer: String,
        /// What is wrong there.
        #[source]
        source: serde_json::Error,
    },
    /// It can be read, and does not say what a menu must.
    #[error(transparent)]
    Fault(#[from] MenuFault),
}

impl Menu {
    /// Reads a menu file, and tells its hash: it is another file if that is another. Blocks.
    ///
    /// # Errors
    /// [`MenuError`] names the file, and the place in it.
    pub fn read(path: &Path) -> Result<(Self, [u8; 32]), MenuError> {
        let text = read_text(path).map_err(MenuError::Read)?;
        let text = text.ok_or_else(|| MenuError::Missing { path: path.to_owned() })?;
        Ok((Self::parse(&text)?, blake3::hash(text.as_bytes()).into()))
    }

    /// Reads a menu.
    ///
    /// # Errors
    /// [`MenuError`] names the place.
    pub fn parse(text: &str) -> Result<Self, MenuError> {
        let mut json = serde_json::Deserializer::from_str(text);
        let read: Result<MenuV1, _> = serde_path_to_error::deserialize(&mut json);
        let file =
            read.map_err(|error| MenuError::Shape { pointer: pointer(error.path()), source: error.into_inner() })?;
        json.end().map_err(|source| MenuError::Shape { pointer: "/".to_owned(), source })?;
        let (currency, content) = file.into_draft().map_err(|mut faults| faults.swap_remove(0))?;
        Ok(Self { currency, content })
    }

    /// A menu that can be sold, or every fault of it.
    pub(super) fn sound(file: MenuV1) -> Result<Self, Vec<MenuFault>> {
        let (currency, content) = file.into_sound()?;
        Ok(Self { currency, content })
    }
}

/// The place as a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => "/?".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use percolate_common::ids::ItemId;
    use percolate_common::money::Minor;
    use percolate_common::quantity::Quantity;

    use super::*;

    const SMALL: &str = r#"{"currency":"USD","tax_classes":[{"id":1,"name":"Food","rate_micro":89000}],
        "categories":[{"id":1,"name":"Espresso"}],"stock_items":[{"id":1,"name":"Beans","unit":"mg"}],
        "items":[{"id":101,"name":"Espresso","category":1,"tax_class":1,"price_minor":300,
                  "uses":[{"stock_item":1,"quantity":18000}]}]}"#;

    fn fault(from: &str, to: &str) -> String {
        let text = SMALL.replacen(from, to, 1);
        assert_ne!(text, SMALL, "the fault was not made");
        Menu::parse(&text).unwrap_err().to_string()
    }

    #[test]
    fn a_menu_is_read_whole() {
        let menu = Menu::parse(SMALL).unwrap();
        assert_eq!(menu.currency, Currency::USD);
        assert!(menu.content.check().is_ok());
        let espresso = &menu.content.items[&ItemId::new(101)];
        assert_eq!((espresso.name.as_str(), espresso.price), ("Espresso", Minor::new(300)));
        assert_eq!(espresso.uses[0].quantity, Quantity::new(18_000));
    }

    #[test]
    fn every_fault_says_where_it_is() {
        assert!(fault("\"price_minor\":300", "\"price_minor\":\"3\"").contains("/items/0/price_minor"));
        assert!(fault("\"unit\":\"mg\"", "\"unit\":\"g\"").contains("/stock_items/0/unit"));
        assert!(fault("\"USD\"", "\"dollars\"").contains("/currency"));
        assert!(fault("\"uses\"", "\"recipe\"").contains("/items/0"));
        let twice = fault("[{\"id\":1,\"name\":\"Espresso\"}", "[{\"id\":1,\"name\":\"A\"},{\"id\":1,\"name\":\"B\"}");
        assert!(twice.contains("category 1 twice") && twice.contains("/categories/1/id"), "{twice}");
        assert!(Menu::parse(&SMALL[..40]).is_err());
        assert!(Menu::parse(&format!("{SMALL} x")).is_err());
    }

    #[test]
    fn every_mistake_of_a_menu_for_sale_is_told_with_its_place() {
        let text = SMALL
            .replace("\"unit\":\"mg\"", "\"unit\":\"g\"")
            .replace("\"price_minor\":300", "\"price_minor\":-1")
            .replace("\"tax_class\":1", "\"tax_class\":9")
            .replace("\"quantity\":18000", "\"quantity\":0")
            .replace(
                "{\"id\":1,\"name\":\"Food\"",
                "{\"id\":7,\"name\":\"\",\"rate_micro\":1000001},{\"id\":7,\"name\":\"Food\"",
            );
        let faults = Menu::sound(serde_json::from_str(&text).unwrap()).unwrap_err();
        let told: Vec<_> = faults.iter().map(|it| (it.pointer(), it.code())).collect();
        let expected = [
            ("/stock_items/0/unit", "malformed"),
            ("/tax_classes/1/id", "twice"),
            ("/tax_classes/0/name", "out_of_range"),
            ("/tax_classes/0/rate_micro", "out_of_range"),
            ("/items/0/price_minor", "out_of_range"),
            ("/items/0/tax_class", "unknown"),
            ("/items/0/uses/0/quantity", "out_of_range"),
        ];
        let (told, expected): (BTreeSet<_>, BTreeSet<_>) = (told.into_iter().collect(), expected.into_iter().collect());
        assert_eq!(told, expected);
        assert!(Menu::sound(serde_json::from_str(SMALL).unwrap()).is_ok());
    }

    #[test]
    fn a_missing_file_is_named() {
        let missing = Menu::read(Path::new("no/such/menu.json")).unwrap_err();
        assert!(missing.to_string().contains("no/such/menu.json"), "{missing}");
    }
}
