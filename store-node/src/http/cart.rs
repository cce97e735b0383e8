//! What a guest wants, as the API says it.

use percolate_common::domain::catalog::rules::{Consumption, Reduction};
use percolate_common::domain::kitchen::LINE_NOTE_BYTES_MAX;
use percolate_common::domain::pricing::cart::{AskedDiscount, Cart, CartLine, DiscountAsked, Extra, InCombo};
use percolate_common::domain::tickets::tender::looks_like_card_number;
use percolate_common::ids::{ComboId, DiscountId, ItemId, ModifierId};
use percolate_common::money::{MicroRate, Minor};
use percolate_runtime::http::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::refused;

/// One line.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LineBody {
    /// Item number; of something that comes in sizes, that of the size.
    item: u32,
    /// How many, 1 to 999.
    quantity: i64,
    /// Extras on each piece.
    #[serde(default)]
    extras: Vec<ExtraBody>,
    /// Another price of one than the menu's, in minor units, before tax and without extras.
    price_minor: Option<i64>,
    /// Its place in a set.
    combo: Option<ComboBody>,
    /// What is taken off it: up to 4.
    #[serde(default)]
    discounts: Vec<DiscountBody>,
    /// What is noted for whoever prepares it: up to 80 bytes. It stays in the shop.
    note: Option<String>,
}

/// So many of one extra.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExtraBody {
    /// Modifier number.
    modifier: u32,
    /// How many on each piece.
    #[serde(default = "one")]
    count: u32,
}

const fn one() -> u32 {
    1
}

/// The place of a line in a set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ComboBody {
    /// Combo number.
    id: u32,
    /// Which of several sets of its kind on the ticket.
    #[serde(default = "one")]
    instance: u32,
    /// Which place, counted from 0.
    slot: u32,
}

/// A discount: one of the menu by its number, or one of your own with a reason.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DiscountBody {
    /// Discount number; then nothing is said of how much.
    id: Option<u32>,
    /// A part, in millionths: 100000 is a tenth.
    percent_micro: Option<u32>,
    /// An amount, in minor units.
    amount_minor: Option<i64>,
    /// Why: up to 80 bytes.
    reason: Option<String>,
}

/// Where it is eaten.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ConsumptionWord {
    /// In the shop.
    DineIn,
    /// Elsewhere.
    #[default]
    TakeAway,
}

impl From<ConsumptionWord> for Consumption {
    fn from(word: ConsumptionWord) -> Self {
        match word {
            ConsumptionWord::DineIn => Self::DineIn,
            ConsumptionWord::TakeAway => Self::TakeAway,
        }
    }
}

/// All that a guest wants.
#[derive(Debug)]
pub(super) struct CartBody {
    pub(super) lines: Vec<LineBody>,
    pub(super) consumption: ConsumptionWord,
    pub(super) discounts: Vec<DiscountBody>,
    pub(super) exempt_reason: Option<String>,
    pub(super) without_service_charge: bool,
}

pub(super) fn discounts(bodies: Vec<DiscountBody>, place: &str) -> Result<Vec<AskedDiscount>, Problem> {
    let asked = |(at, body): (usize, DiscountBody)| {
        let what = match (body.id, body.percent_micro, body.amount_minor) {
            (Some(id), None, None) => DiscountAsked::Menu(DiscountId::new(id)),
            (None, Some(rate), None) => DiscountAsked::Free(Reduction::Percent(MicroRate::new(rate))),
            (None, None, Some(amount)) => DiscountAsked::Free(Reduction::Amount(Minor::new(amount))),
            _several => {
                let text = "a discount has an id, or percent_micro, or amount_minor: one of the three";
                return Err(refused(format!("{place}/discounts/{at}"), "discount_ambiguous", text));
            }
        };
        Ok(AskedDiscount { what, reason: body.reason })
    };
    bodies.into_iter().enumerate().map(asked).collect()
}

fn line((at, body): (usize, LineBody)) -> Result<CartLine, Problem> {
    let quantity = u32::try_from(body.quantity).map_err(|_out_of_range| {
        let text = format!("quantity {} is out of range: 1 to 999 is expected", body.quantity);
        refused(format!("/lines/{at}/quantity"), "quantity_out_of_range", &text)
    })?;
    let extra = |extra: ExtraBody| Extra { modifier: ModifierId::new(extra.modifier), count: extra.count };
    let place =
        |combo: ComboBody| InCombo { combo: ComboId::new(combo.id), instance: combo.instance, slot: combo.slot };
    Ok(CartLine {
        item: ItemId::new(body.item),
        quantity,
        extras: body.extras.into_iter().map(extra).collect(),
        price: body.price_minor.map(Minor::new),
        combo: body.combo.map(place),
        discounts: discounts(body.discounts, &format!("/lines/{at}"))?,
    })
}

/// A text that people see, and no journal holds. A card's number is refused here, too.
pub(super) fn label(text: Option<String>, pointer: &str, bytes_max: usize) -> Result<Option<String>, Problem> {
    let Some(text) = text else { return Ok(None) };
    if looks_like_card_number(&text) {
        let why = "this looks like a card number, which must never be sent here";
        return Err(refused(pointer, "card_number_refused", why));
    }
    if text.len() > bytes_max || text.chars().any(char::is_control) {
        return Err(refused(
            pointer,
            "text_too_long",
            &format!("at most {bytes_max} bytes without control characters are expected"),
        ));
    }
    Ok(Some(text))
}

/// What is noted for whoever prepares the lines that a request describes.
pub(super) fn notes(bodies: &[LineBody]) -> Result<Vec<Option<String>>, Problem> {
    let note =
        |(at, body): (usize, &LineBody)| label(body.note.clone(), &format!("/lines/{at}/note"), LINE_NOTE_BYTES_MAX);
    bodies.iter().enumerate().map(note).collect()
}

/// Lines that a request describes.
pub(super) fn lines(bodies: Vec<LineBody>) -> Result<Vec<CartLine>, Problem> {
    bodies.into_iter().enumerate().map(line).collect()
}

/// The cart that a request describes.
pub(super) fn cart(body: CartBody) -> Result<Cart, Problem> {
    Ok(Cart {
        lines: lines(body.lines)?,
        consumption: body.consumption.into(),
        discounts: discounts(body.discounts, "")?,
        exempt: body.exempt_reason,
        without_service_charge: body.without_service_charge,
    })
}
