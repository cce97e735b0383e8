//! Who may do what, and where. Nothing here asks anybody: it is decided from what is given.

use percolate_common::ids::StoreId;

/// Something that not everybody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Sales, stock and tickets.
    ReadReports,
    /// What is for sale.
    ReadMenu,
    /// Says what is for sale, for how much, and under which tax, in all shops.
    PublishMenu,
    /// How boxes and journals stand.
    ReadNodes,
    /// What vouches for the books, and who did what.
    ReadAudit,
    /// Plans shops, and says where they belong.
    CreateStore,
    /// Makes bundles, with which boxes are let in.
    IssueCode,
    /// Shuts boxes out.
    RevokeDevice,
    /// Invites people, and says what they may do.
    ManageUsers,
    /// Shops as they are planned, and the certificates of boxes.
    SeeIdentity,
    /// Says of differences in the books that they are known, and why they are there.
    SettleDifferences,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::ReadReports,
        Self::ReadMenu,
        Self::PublishMenu,
        Self::ReadNodes,
        Self::ReadAudit,
        Self::CreateStore,
        Self::IssueCode,
        Self::RevokeDevice,
        Self::ManageUsers,
        Self::SeeIdentity,
        Self::SettleDifferences,
    ];

    /// In words, for people.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::ReadReports => "read reports",
            Self::ReadMenu => "read the menu",
            Self::PublishMenu => "publish the menu",
            Self::ReadNodes => "see how boxes stand",
            Self::ReadAudit => "audit the books and read who did what",
            Self::CreateStore => "plan shops",
            Self::IssueCode => "make bundles",
            Self::RevokeDevice => "shut boxes out",
            Self::ManageUsers => "invite people and say what they may do",
            Self::SeeIdentity => "see plans and certificates",
            Self::SettleDifferences => "settle differences in the books",
        }
    }
}

/// What somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// May do everything.
    Owner,
    /// Plans shops and brings them up.
    Planner,
    /// Reads everything and changes nothing.
    Auditor,
    /// Runs a shop, or several.
    Manager,
    /// Goes out and sets boxes up.
    Technician,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Owner, Self::Planner, Self::Auditor, Self::Manager, Self::Technician];

    /// What it may do.
    #[must_use]
    pub const fn permissions(self) -> &'static [Permission] {
        use Permission as P;
        match self {
            Self::Owner => &P::ALL,
            Self::Planner => &[
                P::ReadReports,
                P::ReadMenu,
                P::PublishMenu,
                P::ReadNodes,
                P::CreateStore,
                P::IssueCode,
                P::RevokeDevice,
                P::SeeIdentity,
            ],
            Self::Auditor => &[P::ReadReports, P::ReadMenu, P::ReadNodes, P::ReadAudit, P::SeeIdentity],
            Self::Manager => &[P::ReadReports, P::ReadMenu],
            Self::Technician => &[P::ReadNodes, P::IssueCode],
        }
    }

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Planner => "planner",
            Self::Auditor => "auditor",
            Self::Manager => "manager",
            Self::Technician => "technician",
        }
    }

    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Owner => 1,
            Self::Planner => 2,
            Self::Auditor => 3,
            Self::Manager => 4,
            Self::Technician => 5,
        }
    }

    pub(crate) fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.number() == number)
    }
}

/// Where somebody may do what their role may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everywhere.
    Chain,
    /// In the shops of a region.
    Region(u32),
    /// In the shops of a district.
    District(u32),
    /// In one shop.
    Store(StoreId),
}

/// What somebody may do, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// What they are.
    pub role: Role,
    /// Where.
    pub scope: Scope,
}

/// To which district and region a shop belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its district.
    pub district: u32,
    /// Its region.
    pub region: u32,
}

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The chain as a whole.
    Chain,
    /// What is the same everywhere: whoever may ask in one shop may ask.
    Anywhere,
    /// One shop, and where it is, if that is known.
    Store(StoreId, Option<Place>),
}

impl Scope {
    /// Whether it reaches so far. A shop whose place nobody has said belongs to no district and no region.
    #[must_use]
    pub fn covers(self, target: Target) -> bool {
        match (self, target) {
            (Self::Chain, _) | (_, Target::Anywhere) => true,
            (Self::Store(own), Target::Store(store, _)) => own == store,
            (Self::District(own), Target::Store(_, Some(place))) => own == place.district,
            (Self::Region(own), Target::Store(_, Some(place))) => own == place.region,
            (Self::District(_) | Self::Region(_), Target::Store(_, None))
            | (Self::Store(_) | Self::District(_) | Self::Region(_), Target::Chain) => false,
        }
    }
}

/// Whether somebody with these grants may do this there.
#[must_use]
pub fn may(grants: &[Grant], permission: Permission, target: Target) -> bool {
    grants.iter().any(|grant| grant.role.permissions().contains(&permission) && grant.scope.covers(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HARBOUR: StoreId = StoreId::new(42);
    const MIDTOWN: StoreId = StoreId::new(43);
    const PLACE: Place = Place { district: 7, region: 3 };

    fn manager(scope: Scope) -> Vec<Grant> {
        vec![Grant { role: Role::Manager, scope }]
    }

    #[test]
    fn a_scope_reaches_its_own_shops_and_no_other() {
        let harbour = Target::Store(HARBOUR, Some(PLACE));
        let unplaced = Target::Store(HARBOUR, None);
        for (scope, reaches, reaches_unplaced) in [
            (Scope::Chain, true, true),
            (Scope::Region(3), true, false),
            (Scope::Region(7), false, false),
            (Scope::District(7), true, false),
            (Scope::District(3), false, false),
            (Scope::Store(HARBOUR), true, true),
            (Scope::Store(MIDTOWN), false, false),
        ] {
            let reads = |target| may(&manager(scope), Permission::ReadReports, target);
            assert_eq!((reads(harbour), reads(unplaced)), (reaches, reaches_unplaced), "{scope:?}");
            assert_eq!(reads(Target::Chain), scope == Scope::Chain, "{scope:?}");
            assert!(reads(Target::Anywhere), "{scope:?}");
        }
    }

    #[test]
    fn nobody_may_what_no_role_of_theirs_may() {
        assert!(!may(&[], Permission::ReadMenu, Target::Anywhere));
        assert!(!may(&manager(Scope::Chain), Permission::ManageUsers, Target::Chain));
        // A role here and another there do not add up.
        let two = [
            Grant { role: Role::Manager, scope: Scope::Chain },
            Grant { role: Role::Technician, scope: Scope::Store(HARBOUR) },
        ];
        assert!(may(&two, Permission::IssueCode, Target::Store(HARBOUR, None)));
        assert!(!may(&two, Permission::IssueCode, Target::Store(MIDTOWN, None)));
    }

    #[test]
    fn only_an_owner_says_who_may_what_and_an_auditor_changes_nothing() {
        let who = |permission| Role::ALL.into_iter().filter(move |role| role.permissions().contains(&permission));
        assert_eq!(who(Permission::ManageUsers).collect::<Vec<_>>(), [Role::Owner]);
        assert_eq!(Role::Owner.permissions(), Permission::ALL);
        for change in [
            Permission::CreateStore,
            Permission::IssueCode,
            Permission::RevokeDevice,
            Permission::ManageUsers,
            Permission::SettleDifferences,
        ] {
            assert!(!Role::Auditor.permissions().contains(&change), "{change:?}");
        }
    }

    #[test]
    fn a_role_is_kept_by_a_number_of_its_own() {
        for role in Role::ALL {
            assert_eq!(Role::from_number(role.number()), Some(role));
        }
        assert_eq!(Role::from_number(0), None);
    }
}
