//! Identity's tables.

mod acceptances;
mod codes;
mod doings;
mod issued;
mod sites;
mod users;

pub(super) use acceptances::acceptance_keep;
pub(super) use codes::{
    CodeRow, Use, code_by_request, code_fetch, code_insert, code_open_list, code_open_until, code_tried, code_used,
    code_used_list, codes_of_store_end,
};
pub(super) use doings::{DoingRow, What, doing_insert, doing_list};
pub(super) use issued::{issued_delete, issued_fetch, issued_insert};
pub(super) use sites::{SiteRow, site_bundles_set, site_by_node, site_delete, site_fetch, site_list, site_put};
pub(super) use users::{
    Credentials, UserRow, UserState, invitation_insert, invitations_delete, invited_fetch, nobody_failed, user_by_name,
    user_credentials_set, user_failed, user_insert, user_list, user_signed_in, user_state_set,
};
