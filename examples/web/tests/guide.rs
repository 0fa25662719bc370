//! The guide shows this service as it is.

/// The page, and what it quotes.
const PAGE: &str = include_str!("../../../core/src/guide/web_service.rs");
const SOURCES: [&str; 2] = [
    include_str!("../src/routes.rs"),
    include_str!("../src/serve.rs"),
];

#[test]
fn the_listings_of_the_guide_are_of_this_package() {
    let page: String = PAGE
        .lines()
        .map(|line| line.strip_prefix("//!").unwrap())
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect();
    let mut listings = 0;
    for part in page.split("```ignore\n").skip(1) {
        let (listing, _) = part.split_once("```").unwrap();
        let is_here = SOURCES.iter().any(|source| source.contains(listing));
        assert!(is_here, "this listing is not in the package:\n{listing}");
        listings += 1;
    }
    assert_eq!(listings, 6);
}
