//! JSON from outside, bounded while it is read.
//!
//! A limit on bytes alone is none on memory: `[0,0,…]` takes 32 bytes of memory for two of text, and a map
//! more. So the values are counted as they come, and the reading ends at the limit.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads `text`, at most `most` values: numbers, texts, lists, maps, each counts one.
///
/// # Errors
/// serde's message when it is not JSON or has more values.
pub fn bounded(text: &[u8], most: usize) -> Result<Value, serde_json::Error> {
    let mut left = most;
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Counted(&mut left).deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Reads a value while there are any left.
struct Counted<'a>(&'a mut usize);

impl<'de> DeserializeSeed<'de> for Counted<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.0.checked_sub(1) {
            Some(left) => *self.0 = left,
            None => return Err(D::Error::custom("too many values")),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counted<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Counted(&mut *self.0))? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Counted(&mut *self.0))?;
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(|number| Value::Number(number.into())),
            "[a-zü\"\\\\]{0,8}".prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                proptest::collection::btree_map("[a-z]{1,4}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn count(value: &Value) -> usize {
        1 + match value {
            Value::Array(values) => values.iter().map(count).sum(),
            Value::Object(values) => values.values().map(count).sum(),
            _ => 0,
        }
    }

    #[test]
    fn a_list_without_end_is_left_at_the_limit() {
        // Not even closed: what follows is not looked at.
        let text = format!("{{\"errors\": [{}", "0,".repeat(2_000_000));
        let error = bounded(text.as_bytes(), 1000).unwrap_err();
        assert!(error.to_string().contains("too many values"), "{error}");
        assert!(bounded("[".repeat(100_000).as_bytes(), 1_000_000).is_err(), "nor is it nested without end");
    }

    proptest! {
        #[test]
        fn what_is_within_the_limit_is_read_as_serde_reads_it(value in json()) {
            let text = value.to_string();
            prop_assert_eq!(bounded(text.as_bytes(), count(&value)).unwrap(), value.clone());
            prop_assert!(bounded(text.as_bytes(), count(&value) - 1).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = bounded(&text, 50);
        }
    }
}
