//! A day in the life: "Tuesday at ten shops", with real servers, through the API and the commands that people use.
//!
//! The script keeps books of its own, from what its tills were answered and what it moved, and never asks a server for a
//! sum. At its end one place ([`balance`]) compares them with what every shop and head office say.
//!
//! To add a step, write one function that takes the day and returns one line of what it did, and put it where it belongs
//! below. What it changes in the world it books in a shop's ledger; a new kind of figure is one more comparison in
//! [`balance`].

mod alone;
mod balance;
mod books;
mod cards;
mod chain;
mod counter;
mod drawers;
mod evening;
mod kitchen;
mod ledger;
mod menu;
mod morning;
mod paper;
mod slips;
mod till;
mod troubles;

use std::future::Future;

use anyhow::{Context as _, Result};

use crate::chain::Day;

/// Plays one step, and prints its line.
#[expect(clippy::print_stdout, reason = "the script of the day is there to be read")]
async fn step(name: &str, played: impl Future<Output = Result<String>>) -> Result<()> {
    let said = Box::pin(played).await.with_context(|| format!("step: {name}"))?;
    println!("{name:<26} {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tuesday_at_ten_shops_and_the_books_balance() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let day = &mut Day::begin(folder.path()).await?;
    step("opening", morning::the_shops_open(day)).await?;
    step("drawers are opened", drawers::drawers_are_opened(day)).await?;
    step("opening stock", morning::stock_is_booked(day)).await?;
    step("practice", morning::a_new_hand_practises(day)).await?;
    step("morning rush", morning::the_rush(day)).await?;
    step("refusals", morning::wrong_tickets_are_refused(day)).await?;
    step("a line is cut", troubles::a_line_is_cut(day)).await?;
    step("head office restarts", troubles::head_office_restarts_with_a_new_menu(day)).await?;
    step("the line is mended", troubles::the_line_is_mended(day)).await?;
    step("a box is killed", troubles::a_box_is_killed(day)).await?;
    step("head office is killed", troubles::head_office_is_killed(day)).await?;
    step("past sales", evening::past_sales_are_brought_in(day)).await?;
    step("waste and corrections", evening::waste_is_booked(day)).await?;
    step("cash leaves the drawers", drawers::cash_leaves_the_drawers(day)).await?;
    step("tills are paired", evening::tills_are_paired(day)).await?;
    step("nobody signs in", evening::nobody_signs_in(day)).await?;
    step("cards", cards::guests_pay_by_card(day)).await?;
    step("slips and late cards", slips::slips_and_late_cards(day)).await?;
    step("open tickets", counter::guests_pay_when_they_leave(day)).await?;
    step("kitchen", kitchen::the_bar_makes_it_once(day)).await?;
    step("given back", counter::practice_is_given_back(day)).await?;
    step("last guests", evening::the_last_guests(day)).await?;
    step("paper", paper::every_ticket_has_its_paper(day)).await?;
    step("the day is closed", drawers::the_day_is_closed(day)).await?;
    step("paper once more", paper::refunds_and_readings_are_printed_again(day)).await?;
    step("everything has arrived", evening::everything_has_arrived(day)).await?;
    step("reports folded anew", evening::the_reports_are_folded_anew(day)).await?;
    step("screens", evening::the_screens_were_told(day)).await?;
    step("kitchen screens", kitchen::every_order_reached_its_stations(day)).await?;
    step("descriptions", evening::the_servers_describe_themselves(day)).await?;
    step("closes at head office", drawers::head_office_has_the_closes(day)).await?;
    step("every ticket again", books::every_ticket_comes_to_what_it_says(day)).await?;
    step("the books balance", balance::the_books_balance(day)).await?;
    step("audit", evening::the_audit_proves_it(day)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_at_one_shop_without_head_office_comes_to_the_same_there_afterwards() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let shop = &mut alone::Alone::begin(folder.path()).await?;
    step("alone: opening", alone::the_shop_opens(shop)).await?;
    step("alone: signing in", alone::nobody_sells_unsigned(shop)).await?;
    step("alone: turns", alone::people_take_turns(shop)).await?;
    step("alone: approvals", alone::a_cart_is_reduced_and_another_is_exempt(shop)).await?;
    step("alone: owed", alone::a_card_takes_nothing_back(shop)).await?;
    step("alone: a table", alone::a_table_pays_in_parts(shop)).await?;
    step("alone: given back", alone::a_guest_gets_money_back(shop)).await?;
    step("alone: cash", alone::cash_moves(shop)).await?;
    step("alone: afternoon", alone::the_afternoon(shop)).await?;
    step("alone: close", alone::the_till_is_counted_and_the_day_closed(shop)).await?;
    step("alone: head office is back", alone::head_office_comes_to_the_same(shop)).await?;
    step("alone: on trust", alone::what_was_on_trust_is_money(shop)).await?;
    step("alone: card numbers", alone::no_card_number_stands_anywhere(shop)).await
}
