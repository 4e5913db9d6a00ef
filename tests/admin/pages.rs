//! Lists, page by page.

use serde_json::json;

use crate::support::admin_port::Port;

#[tokio::test]
async fn pages_cover_all_records_once() {
    let port = Port::open().await;
    let workspace = port.workspace("w").await;
    let mut made = Vec::new();
    for number in 0..7 {
        let owner = if number % 2 == 0 { json!(workspace) } else { json!(null) };
        let body = json!({ "name": format!("hook-{number}"), "workspaceId": owner });
        made.push(port.integration(body).await.str("id").to_owned());
    }
    let collect = async |filter: &str| {
        let mut seen: Vec<String> = Vec::new();
        let mut path = format!("/api/integrations?limit=2{filter}");
        loop {
            let page = port.get(&path).await;
            assert_eq!(page.status, 200, "{}", page.text);
            let items = page.json["items"].as_array().unwrap();
            assert!(!items.is_empty() && items.len() <= 2);
            seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            match page.json["nextCursor"].as_str() {
                Some(cursor) => path = format!("/api/integrations?limit=2&cursor={cursor}{filter}"),
                None => return seen,
            }
        }
    };
    assert_eq!(collect("").await, made);
    let owned: Vec<String> = made.iter().step_by(2).cloned().collect();
    assert_eq!(collect(&format!("&workspaceId={workspace}")).await, owned);
}

#[tokio::test]
async fn every_fault_of_a_query_is_named() {
    let port = Port::open().await;
    for (query, faults) in [
        ("limit=0", &["limit range"][..]),
        ("limit=201", &["limit range"]),
        ("limit=x&cursor=%21&page=2", &["cursor format", "limit range", "page unknown"]),
        ("limit=1&limit=2", &["limit duplicate"]),
        ("workspaceId=x", &["workspaceId format"]),
    ] {
        let answer = port.get(&format!("/api/integrations?{query}")).await;
        assert_eq!(answer.status, 422, "{query}");
        assert_eq!(answer.faults(), faults, "{query}");
    }
    assert_eq!(port.get("/api/workspaces?limit=%ff").await.status, 400);
    assert_eq!(port.get("/api/workspaces?limit=200").await.status, 200);
}
