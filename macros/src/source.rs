//! Code as text that depends on its tokens alone, whatever the spaces between them.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The code on one line. Not what `TokenStream` prints, as that is another with some releases of rustc.
pub(crate) fn line(tokens: TokenStream) -> String {
    let mut out = String::new();
    write(&mut out, tokens);
    out
}

fn write(out: &mut String, tokens: TokenStream) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    // Around what a macro was given.
                    Delimiter::None => ("", ""),
                };
                out.push_str(open);
                write(out, group.stream());
                out.push_str(close);
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                mark @ (',' | ';') => out.extend([mark, ' ']),
                '=' => out.push_str(" = "),
                mark => out.push(mark),
            },
            TokenTree::Ident(ident) => word(out, &ident.to_string()),
            TokenTree::Literal(literal) => word(out, &literal.to_string()),
        }
    }
}

/// A word has a space before it where it would be one with the word before.
fn word(out: &mut String, word: &str) {
    if out.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '"')) {
        out.push(' ');
    }
    out.push_str(word);
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn code_is_one_text_however_it_is_spaced() {
        for (code, text) in [
            ("Option < String >", "Option<String>"),
            ("HashMap<String,u64>", "HashMap<String, u64>"),
            ("[u8;4]", "[u8; 4]"),
            ("& 'static  dyn Any", "&'static dyn Any"),
            (
                "serde( rename=\"x\",default )",
                "serde(rename = \"x\", default)",
            ),
            ("std :: vec :: Vec<u8>", "std::vec::Vec<u8>"),
        ] {
            assert_eq!(line(code.parse().unwrap()), text);
        }
    }
}
