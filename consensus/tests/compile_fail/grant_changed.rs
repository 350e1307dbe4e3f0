//! What a grant permits cannot be changed.

use ollin_consensus::{Duty, Grant};

fn redirect(grant: &mut Grant, duty: Duty) {
    grant.duty = duty;
}

fn main() {}
