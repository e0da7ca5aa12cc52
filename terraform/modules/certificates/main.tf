locals {
  signing = var.authorities[0]
  uses = {
    server = ["digital_signature", "server_auth"]
    client = ["digital_signature", "client_auth"]
  }
}

# P-256 everywhere: TLS 1.3 does not support the provider's default, P-224, and PostgreSQL 15 does
# not support channel binding with Ed25519 certificates.
resource "tls_private_key" "ca" {
  for_each = toset(var.authorities)

  algorithm   = "ECDSA"
  ecdsa_curve = "P256"
}

# A renewal keeps the key, so existing certificates verify against the new CA certificate too.
resource "tls_self_signed_cert" "ca" {
  for_each = tls_private_key.ca

  private_key_pem       = each.value.private_key_pem
  validity_period_hours = var.ca_validity_hours
  early_renewal_hours   = var.ca_early_renewal_hours
  is_ca_certificate     = true
  allowed_uses          = ["cert_signing", "crl_signing"]

  # Strict verifiers, such as Python 3.13 by default, require both.
  set_subject_key_id   = true
  set_authority_key_id = true

  subject {
    common_name  = "${var.organization} CA ${each.key}"
    organization = var.organization
  }
}

resource "tls_private_key" "this" {
  for_each = var.certificates

  algorithm   = "ECDSA"
  ecdsa_curve = "P256"
}

resource "tls_cert_request" "this" {
  for_each = var.certificates

  private_key_pem = tls_private_key.this[each.key].private_key_pem
  dns_names       = each.value.dns_names

  subject {
    common_name  = each.value.common_name
    organization = var.organization
  }
}

resource "tls_locally_signed_cert" "this" {
  for_each = var.certificates

  cert_request_pem      = tls_cert_request.this[each.key].cert_request_pem
  ca_private_key_pem    = tls_private_key.ca[local.signing].private_key_pem
  ca_cert_pem           = tls_self_signed_cert.ca[local.signing].cert_pem
  validity_period_hours = var.validity_hours
  early_renewal_hours   = var.early_renewal_hours
  allowed_uses          = local.uses[each.value.usage]
  set_subject_key_id    = true
}
