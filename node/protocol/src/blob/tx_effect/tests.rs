use proptest::prelude::*;

use super::*;
use crate::blob::decode_transaction;

fn fields(most: usize) -> impl Strategy<Value = Vec<Fr>> {
    prop::collection::vec((1u64..).prop_map(Fr::from_u64), 0..=most)
}

fn logs(most: usize, length: usize) -> impl Strategy<Value = Vec<Vec<Fr>>> {
    prop::collection::vec(prop::collection::vec(any::<u64>().prop_map(Fr::from_u64), 1..=length), 0..=most)
}

fn effect() -> impl Strategy<Value = TxEffect> {
    (0u8..=3, fields(64), fields(64), fields(8), fields(64), logs(4, 16), logs(4, 40), logs(1, 30)).prop_map(
        |(revert_code, note_hashes, nullifiers, l2_to_l1_messages, writes, private_logs, public_logs, class_logs)| TxEffect {
            revert_code,
            tx_hash: Fr::from_u64(1),
            transaction_fee: Fr::from_u64(2),
            note_hashes,
            nullifiers,
            l2_to_l1_messages,
            public_data_writes: writes.into_iter().map(|leaf_slot| PublicDataWrite { leaf_slot, value: Fr::ZERO }).collect(),
            private_logs,
            public_logs: public_logs.into_iter().map(|fields| PublicLog { contract_address: Fr::from_u64(3), fields }).collect(),
            contract_class_logs: class_logs
                .into_iter()
                .map(|fields| ContractClassLog { contract_address: Fr::from_u64(4), fields })
                .collect(),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn effects_read_back_from_blob_fields_and_from_bytes(effect in effect(), at in any::<prop::sample::Index>(), change in any::<u64>()) {
        prop_assert_eq!(&TxEffect::from_bytes(&effect.to_bytes()).unwrap(), &effect);
        let mut fields = effect.to_fields().unwrap().to_fields();
        prop_assert_eq!(&TxEffect::try_from(decode_transaction(&fields).unwrap()).unwrap(), &effect);
        let place = at.index(fields.len());
        fields[place] = Fr::from_u64(change);
        if let Ok(read) = decode_transaction(&fields) {
            prop_assert_eq!(read.to_fields(), fields);
        }
    }

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = TxEffect::from_bytes(&noise);
    }
}

#[test]
fn one_item_too_many_is_refused() {
    let one = Fr::from_u64(1);
    let many = TxEffect { note_hashes: vec![one; 65], ..TxEffect::default() };
    assert_eq!(many.to_fields(), Err(EffectError::TooMany { what: "note hashes", count: 65, limit: 64 }));
    let long = TxEffect { private_logs: vec![vec![one; 17]], ..TxEffect::default() };
    assert_eq!(long.to_fields(), Err(EffectError::TooMany { what: "private log fields", count: 17, limit: 16 }));
    let empty = TxEffect { private_logs: vec![vec![]], ..TxEffect::default() };
    assert_eq!(empty.to_fields(), Err(EffectError::Empty { what: "private log", index: 0 }));
}
