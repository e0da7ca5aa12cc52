# The certificates, made for real: that needs nothing but the provider.

variables {
  certificates = {
    api = { usage = "server", common_name = "api", dns_names = ["api.example.org"] }
    job = { usage = "client", common_name = "job" }
  }
}

run "keys_are_on_the_curve_that_all_understand" {
  module {
    source = "./modules/certificates"
  }

  assert {
    condition = alltrue([
      for key in concat(values(tls_private_key.ca), values(tls_private_key.this)) :
      key.algorithm == "ECDSA" && key.ecdsa_curve == "P256"
    ])
    error_message = "A key is on another curve."
  }
}

run "a_certificate_serves_for_one_thing" {
  module {
    source = "./modules/certificates"
  }

  assert {
    condition     = !contains(tls_locally_signed_cert.this["api"].allowed_uses, "client_auth")
    error_message = "The server's certificate serves as a client's."
  }

  assert {
    condition     = !contains(tls_locally_signed_cert.this["job"].allowed_uses, "server_auth")
    error_message = "The client's certificate serves as a server's."
  }
}

run "another_apply_changes_nothing" {
  command = plan

  module {
    source = "./modules/certificates"
  }

  assert {
    condition     = output.ca_certificate == run.a_certificate_serves_for_one_thing.ca_certificate
    error_message = "There is another authority."
  }

  assert {
    condition     = output.certificates == run.a_certificate_serves_for_one_thing.certificates
    error_message = "There are other certificates."
  }
}

run "another_authority_is_trusted_before_it_signs" {
  variables {
    authorities = ["1", "2"]
  }

  module {
    source = "./modules/certificates"
  }

  assert {
    condition     = output.certificates == run.another_apply_changes_nothing.certificates
    error_message = "There are other certificates already."
  }

  assert {
    condition = output.ca_certificate == join("", [
      run.another_apply_changes_nothing.ca_certificate, tls_self_signed_cert.ca["2"].cert_pem,
    ])
    error_message = "The authorities that are trusted are others."
  }
}

run "the_first_authority_signs" {
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
    error_message = "A certificate is of another authority."
  }

  assert {
    condition     = strcontains(output.ca_certificate, tls_self_signed_cert.ca["1"].cert_pem)
    error_message = "The former authority is trusted no longer."
  }
}

run "a_former_authority_that_is_left_out_is_gone" {
  variables {
    authorities = ["2"]
  }

  module {
    source = "./modules/certificates"
  }

  assert {
    condition     = output.certificates == run.the_first_authority_signs.certificates
    error_message = "There are other certificates."
  }

  assert {
    condition     = output.ca_certificate == tls_self_signed_cert.ca["2"].cert_pem
    error_message = "Another authority is trusted."
  }
}

run "an_authority_has_a_name_of_its_own" {
  command = plan

  variables {
    authorities = ["1", "1"]
  }

  module {
    source = "./modules/certificates"
  }

  expect_failures = [var.authorities]
}

run "what_renews_on_every_apply_is_refused" {
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

run "no_certificate_outlives_its_authority" {
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

run "an_authority_is_renewed_while_all_that_it_signs_is_valid" {
  command = plan

  variables {
    ca_early_renewal_hours = 2159
  }

  module {
    source = "./modules/certificates"
  }

  expect_failures = [var.ca_early_renewal_hours]
}

run "a_server_has_a_name_and_a_client_none" {
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
