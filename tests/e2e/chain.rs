//! One sale from the till into a report.

use anyhow::{Context as _, Result, ensure};
use system_tests::harness::{Hub, Node, NodeSpec, eventually};

use system_tests::books::{any_item, complete, hub_totals, list, number, store_totals, text, ticket};

#[tokio::test]
async fn a_sale_reaches_the_report_and_a_retry_does_not_double_it() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let hub = Hub::start(scratch.path()).await?;
    let node = Node::start(scratch.path(), NodeSpec::store(1), &hub.door(), &[]).await?;
    node.ready().await?;
    let item = any_item(&node).await?;
    let body = ticket("T1", item, 2);
    let sold = node.client.post("/v1/tickets", "key-1", &body).await?;
    let again = node.client.post("/v1/tickets", "key-1", &body).await?;
    assert_eq!(text(&again, "/ticket_id")?, text(&sold, "/ticket_id")?);
    assert_eq!(text(&sold, "/receipt")?, "T1-A-1");
    complete(&hub, &node).await?;
    let total = number(&sold, "/total_minor")?;
    assert_eq!(hub_totals(&hub, 1).await?, (1, 2, total));
    assert_eq!(store_totals(&node).await?, (1, 2, total));
    let tickets = hub.client.get("/v1/reporting/tickets?store=1").await?;
    ensure!(tickets.to_string().contains("T1-A-1"), "drill-down to the receipt: {tickets}");
    Ok(())
}

#[tokio::test]
async fn training_is_in_no_total_at_the_store_or_the_hub() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let hub = Hub::start(scratch.path()).await?;
    let node = Node::start(scratch.path(), NodeSpec::store(1), &hub.door(), &[]).await?;
    node.ready().await?;
    let mut body = ticket("T1", any_item(&node).await?, 3);
    let stock_before = node.client.get("/v1/stock").await?;
    if let Some(fields) = body.as_object_mut() {
        fields.insert("training".to_owned(), true.into());
    }
    let practised = node.client.post("/v1/tickets", "key-1", &body).await?;
    assert_eq!(text(&practised, "/receipt")?, "T1-TRN-1");
    complete(&hub, &node).await?;
    assert_eq!(hub_totals(&hub, 1).await?, (0, 0, 0));
    assert_eq!(store_totals(&node).await?, (0, 0, 0));
    assert_eq!(node.client.get("/v1/stock").await?, stock_before);
    Ok(())
}

#[tokio::test]
async fn a_store_sells_only_from_a_received_menu_and_then_without_the_hub() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut hub = Hub::start(scratch.path()).await?;
    let nowhere = "127.0.0.1:1";
    let mut lonely = Node::start_with_account(scratch.path(), NodeSpec::store(2), nowhere, &[]).await?;
    let refused = lonely.client.try_post("/v1/tickets", "key-1", &ticket("T1", 101, 1)).await?;
    assert_eq!((refused.status, refused.code().as_str()), (503, "catalog_not_received"));
    let not_ready = lonely.client.try_get("/readyz").await?;
    assert_eq!(not_ready.status, 503, "{}", not_ready.text);
    lonely.kill()?;
    drop(lonely);
    let mut node = Node::start(scratch.path(), NodeSpec::store(1), &hub.door(), &[]).await?;
    node.ready().await?;
    let item = any_item(&node).await?;
    hub.kill()?;
    node.client.post("/v1/tickets", "key-1", &ticket("T1", item, 1)).await.context("no hub, still selling")?;
    node.kill()?;
    node.restart().await?;
    node.ready().await.context("ready after a restart without the hub")?;
    node.client.post("/v1/tickets", "key-2", &ticket("T1", item, 1)).await.context("restarted, still selling")?;
    hub.restart().await?;
    complete(&hub, &node).await?;
    assert_eq!(hub_totals(&hub, 1).await?.0, 2);
    Ok(())
}

#[tokio::test]
async fn stock_at_the_hub_is_the_stock_at_the_store() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let hub = Hub::start(scratch.path()).await?;
    let node = Node::start(scratch.path(), NodeSpec::store(1), &hub.door(), &[]).await?;
    node.ready().await?;
    let catalog = node.client.get("/v1/catalog").await?;
    let items = list(&catalog, "/items")?;
    let item = items.iter().find(|item| item.pointer("/uses/0").is_some()).context("an item with a recipe")?;
    let (id, stock_item) = (number(item, "/id")?, number(item, "/uses/0/stock_item")?);
    let used = number(item, "/uses/0/quantity")? * 3;
    let delivery =
        serde_json::json!({"reason": "received", "lines": [{"stock_item": stock_item, "quantity": 5_000_000}]});
    node.client.post("/v1/stock/movements", "delivery-1", &delivery).await?;
    node.client.post("/v1/stock/movements", "delivery-1", &delivery).await?;
    node.client.post("/v1/tickets", "key-1", &ticket("T1", id, 3)).await?;
    complete(&hub, &node).await?;
    for answer in [node.client.get("/v1/stock").await?, hub.client.get("/v1/reporting/stock?store=1").await?] {
        let rows = list(&answer, "/rows").or_else(|_other_shape| list(&answer, "/items"))?;
        let row =
            rows.iter().find(|row| number(row, "/stock_item").ok() == Some(stock_item)).context("the item's row")?;
        assert_eq!(number(row, "/on_hand")?, 5_000_000 - used, "{answer}");
    }
    Ok(())
}

#[tokio::test]
async fn the_office_page_and_the_descriptions_are_served() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let hub = Hub::start(scratch.path()).await?;
    let node = Node::start(scratch.path(), NodeSpec::store(1), &hub.door(), &[]).await?;
    let page = hub.client.with_token("none").try_get("/").await?;
    assert_eq!((page.status, page.content_type.as_str()), (200, "text/html"));
    for (client, closed) in [(&hub.client, "/v1/reporting/stores"), (&node.client, "/v1/node")] {
        let document = client.with_token("none").get("/openapi.json").await?;
        ensure!(text(&document, "/openapi")?.starts_with("3.1"), "{document}");
        let stranger = client.with_token("none").try_get(closed).await?;
        assert_eq!(stranger.status, 401, "{}", stranger.text);
        let metrics = eventually("metrics", || async { client.with_token("none").try_get("/metrics").await }).await?;
        ensure!(metrics.status == 200 && metrics.text.contains("# TYPE"), "{}", metrics.text);
    }
    Ok(())
}
