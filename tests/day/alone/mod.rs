//! One shop from open to close without head office: it is not there before the day is closed. Whoever works there signs in, and
//! everything that a counter does is done. What head office adds up afterwards is what the closing reading says.

mod afterwards;
mod counter;
mod shop;

pub(crate) use afterwards::{
    head_office_comes_to_the_same, no_card_number_stands_anywhere, what_was_on_trust_is_money,
};
pub(crate) use counter::{
    a_card_takes_nothing_back, a_cart_is_reduced_and_another_is_exempt, a_guest_gets_money_back, a_table_pays_in_parts,
    cash_moves, people_take_turns, the_afternoon,
};
pub(crate) use shop::{Alone, nobody_sells_unsigned, the_shop_opens, the_till_is_counted_and_the_day_closed};
