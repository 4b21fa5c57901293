//! What a caller gets of an event.

use std::fmt;
use std::str::FromStr;

use caracal_core::LogId;

use crate::{LeafHash, LedgerError};

/// Says that a leaf with this hash stands at this index of this log. It is the value of
/// the header `Caracal-Receipt` and a line of a receipts file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The log.
    pub log: LogId,
    /// The index of the leaf.
    pub index: u64,
    /// The hash of the leaf.
    pub leaf: LeafHash,
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "log=\"{}\"; index={}; leaf={}",
            self.log,
            self.index,
            self.leaf.to_base64()
        )
    }
}

impl FromStr for Receipt {
    type Err = LedgerError;

    /// Reads what [`Receipt`] displays; parameters may stand in any order, and parameters
    /// of later versions are skipped.
    fn from_str(text: &str) -> Result<Self, LedgerError> {
        let refuse = |why| Err(LedgerError::BadReceipt(why));
        if text.len() > 1024 {
            return refuse("it is longer than 1024 bytes");
        }
        let (mut log, mut index, mut leaf) = (None, None, None);
        for part in text.split(';') {
            let Some((key, value)) = part.trim().split_once('=') else {
                return refuse("a part has no `=`");
            };
            let slot = match key {
                "log" => &mut log,
                "index" => &mut index,
                "leaf" => &mut leaf,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return refuse("a part is repeated");
            }
        }
        let log = log.and_then(|log| log.strip_prefix('"')?.strip_suffix('"')?.parse().ok());
        let index =
            index.and_then(|text| text.parse::<u64>().ok().filter(|n| n.to_string() == text));
        let leaf = leaf.and_then(LeafHash::from_base64);
        match (log, index, leaf) {
            (Some(log), Some(index), Some(leaf)) => Ok(Self { log, index, leaf }),
            (None, _, _) => refuse("its `log` is missing or no log id in quotes"),
            (_, None, _) => refuse("its `index` is missing or no number"),
            (_, _, None) => refuse("its `leaf` is missing or no base64 of 32 bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::leaf_hash;

    const LOG: LogId = LogId::from_uuid(uuid::Uuid::nil());

    #[test]
    fn a_receipt_has_the_form_of_the_header() {
        let receipt = Receipt {
            log: LOG,
            index: 7,
            leaf: leaf_hash(b""),
        };
        let text = "log=\"log_00000000-0000-0000-0000-000000000000\"; index=7; \
                    leaf=bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=";
        assert_eq!(receipt.to_string(), text);
        assert_eq!(text.parse(), Ok(receipt));
        assert_eq!(
            format!("  {};node=x\r\n", text.replace("; ", ";")).parse(),
            Ok(receipt)
        );
    }

    #[test]
    fn damaged_receipts_are_refused() {
        let good = Receipt {
            log: LOG,
            index: 7,
            leaf: leaf_hash(b""),
        }
        .to_string();
        for bad in [
            String::new(),
            good.replace('"', ""),
            good.replace("log_", "evt_"),
            good.replace("index=7", "index=07"),
            good.replace("index=7", "index=+7"),
            good.replace("index=7", "index=-7"),
            good.replace("index=7", "index=18446744073709551616"),
            good.replace("index=7; ", ""),
            good.replace("B0=", "B1="),
            good.replace("B0=", "B0"),
            format!("{good}; index=7"),
            format!("{good};"),
            format!("{good}; x={}", "y".repeat(2000)),
        ] {
            assert!(bad.parse::<Receipt>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_receipt_reads_back(id: u128, index: u64, leaf: [u8; 32]) {
            let log = LogId::from_uuid(uuid::Uuid::from_u128(id));
            let receipt = Receipt { log, index, leaf: LeafHash(leaf) };
            prop_assert_eq!(receipt.to_string().parse(), Ok(receipt));
        }

        #[test]
        fn no_text_upsets_the_parser(text: String) {
            let _ = text.parse::<Receipt>();
        }
    }
}
