# These tests issue real certificates, which needs only the provider.

variables {
  certificates = {
    api = { usage = "server", common_name = "api", dns_names = ["api.example.org"] }
    job = { usage = "client", common_name = "job" }
  }
}

run "every_key_is_on_p_256" {
  module {
    source = "./modules/certificates"
  }

  assert {
    condition = alltrue([
      for key in concat(values(tls_private_key.ca), values(tls_private_key.this)) :
      key.algorithm == "ECDSA" && key.ecdsa_curve == "P256"
    ])
    error_message = "A key uses another curve."
  }
}

run "a_certificate_has_one_usage" {
  module {
    source = "./modules/certificates"
  }

  assert {
    condition     = !contains(tls_locally_signed_cert.this["api"].allowed_uses, "client_auth")
    error_message = "The server certificate is valid for clients."
  }

  assert {
    condition     = !contains(tls_locally_signed_cert.this["job"].allowed_uses, "server_auth")
    error_message = "The client certificate is valid for servers."
  }
}

run "a_second_apply_changes_nothing" {
  command = plan

  module {
    source = "./modules/certificates"
  }

  assert {
    condition     = output.ca_certificate == run.a_certificate_has_one_usage.ca_certificate
    error_message = "The CA has changed."
  }

  assert {
    condition     = output.certificates == run.a_certificate_has_one_usage.certificates
    error_message = "The certificates have changed."
  }
}

run "a_new_ca_is_trusted_before_it_signs" {
  variables {
    authorities = ["1", "2"]
  }

  module {
    source = "./modules/certificates"
  }

  assert {
    condition     = output.certificates == run.a_second_apply_changes_nothing.certificates
    error_message = "The certificates have changed already."
  }

  assert {
    condition = output.ca_certificate == join("", [
      run.a_second_apply_changes_nothing.ca_certificate, tls_self_signed_cert.ca["2"].cert_pem,
    ])
    error_message = "The trusted CAs are not the old and the new one."
  }
}

run "the_first_ca_signs" {
  variables {
    authorities = ["2", "1"]
  }

  module {
    source = "./modules/certificates"
  }

  assert {
    condition = alltrue([
      for each in values(tls_locally_signed_cert.this) :
      each.ca_cert_pem == tls_self_signed_cert.ca["2"].cert_pem
    ])
    error_message = "A certificate comes from another CA."
  }

  assert {
    condition     = strcontains(output.ca_certificate, tls_self_signed_cert.ca["1"].cert_pem)
    error_message = "The former CA is no longer trusted."
  }
}

run "a_removed_ca_is_no_longer_trusted" {
  variables {
    authorities = ["2"]
  }

  module {
    source = "./modules/certificates"
  }

  assert {
    condition     = output.certificates == run.the_first_ca_signs.certificates
    error_message = "The certificates have changed."
  }

  assert {
    condition     = output.ca_certificate == tls_self_signed_cert.ca["2"].cert_pem
    error_message = "Another CA is trusted."
  }
}

run "names_of_cas_are_unique" {
  command = plan

  variables {
    authorities = ["1", "1"]
  }

  module {
    source = "./modules/certificates"
  }

  expect_failures = [var.authorities]
}

run "a_renewal_on_every_apply_is_refused" {
  command = plan

  variables {
    validity_hours      = 24
    early_renewal_hours = 24
  }

  module {
    source = "./modules/certificates"
  }

  expect_failures = [var.early_renewal_hours]
}

run "no_certificate_outlives_its_ca" {
  command = plan

  variables {
    ca_validity_hours      = 2160
    ca_early_renewal_hours = 2160
  }

  module {
    source = "./modules/certificates"
  }

  expect_failures = [var.ca_validity_hours]
}

run "a_ca_is_renewed_before_its_certificates_could_outlive_it" {
  command = plan

  variables {
    ca_early_renewal_hours = 2159
  }

  module {
    source = "./modules/certificates"
  }

  expect_failures = [var.ca_early_renewal_hours]
}

run "a_server_certificate_needs_a_dns_name" {
  command = plan

  variables {
    certificates = { api = { usage = "server", common_name = "api" } }
  }

  module {
    source = "./modules/certificates"
  }

  expect_failures = [var.certificates]
}

run "other_usages_are_refused" {
  command = plan

  variables {
    certificates = { api = { usage = "both", common_name = "api", dns_names = ["api"] } }
  }

  module {
    source = "./modules/certificates"
  }

  expect_failures = [var.certificates]
}
