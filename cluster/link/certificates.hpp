// A certificate authority of the cluster's own, and certificates for its nodes: files that
// `troupe cluster ca` makes and the links read. EC P-256 keys, X.509 version 3.
#pragma once

#include <caf/error.hpp>

#include <string>
#include <vector>

namespace troupe::link {

/// Names of the files in the authority's folder.
inline constexpr const char* ca_certificate_file = "ca.crt";
inline constexpr const char* ca_key_file = "ca.key";

struct ca_options {
  std::string folder; // made if it is missing, for its owner only
  int days = 3'650;
  bool force = false; // replaces an authority: every certificate of the old one is worthless then
};

/// Makes `ca.crt` and `ca.key` in the folder. Errors: `conflict` when there is one and not `force`,
/// `invalid_argument`, and `internal` with what the system said.
caf::error make_authority(const ca_options& options);

struct certificate_options {
  std::string folder;             // of the authority; the files come there too
  std::string name;               // of the node: letters, digits, `-`, `_` and `.`
  std::vector<std::string> hosts; // DNS names and IP addresses of the node, besides its name
  int days = 825;
  bool force = false; // replaces files of this name
};

/// Makes NAME.crt and NAME.key, signed by the folder's authority: to serve and to dial. Errors as
/// above, and `not_found` when there is no authority.
caf::error issue_certificate(const certificate_options& options);

} // namespace troupe::link
