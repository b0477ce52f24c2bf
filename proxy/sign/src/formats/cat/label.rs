//! Claims by their labels.

pub(in crate::formats::cat) const ISS: i64 = 1;
pub(in crate::formats::cat) const SUB: i64 = 2;
pub(in crate::formats::cat) const AUD: i64 = 3;
pub(in crate::formats::cat) const EXP: i64 = 4;
pub(in crate::formats::cat) const NBF: i64 = 5;
pub(in crate::formats::cat) const CTI: i64 = 7;
pub(in crate::formats::cat) const CNF: i64 = 8;
pub(in crate::formats::cat) const GEOHASH: i64 = 282;
pub(in crate::formats::cat) const CATREPLAY: i64 = 308;
pub(in crate::formats::cat) const CATPOR: i64 = 309;
pub(in crate::formats::cat) const CATV: i64 = 310;
pub(in crate::formats::cat) const CATNIP: i64 = 311;
pub(in crate::formats::cat) const CATU: i64 = 312;
pub(in crate::formats::cat) const CATM: i64 = 313;
pub(in crate::formats::cat) const CATALPN: i64 = 314;
pub(in crate::formats::cat) const CATH: i64 = 315;
pub(in crate::formats::cat) const CATGEOISO3166: i64 = 316;
pub(in crate::formats::cat) const CATTPK: i64 = 319;
pub(in crate::formats::cat) const CATDPOP: i64 = 321;
pub(in crate::formats::cat) const CATR: i64 = 323;
pub(in crate::formats::cat) const CATTPRINT: i64 = 324;
