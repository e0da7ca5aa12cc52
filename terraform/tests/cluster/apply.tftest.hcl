# This test applies to the cluster that TF_VAR_kubeconfig names, beside anything else in it:
#
#   TF_VAR_kubeconfig=... TF_VAR_image=... TF_VAR_image_tag=... \
#     terraform test -test-directory=tests/cluster
#
# At the end, everything is destroyed.

variables {
  create_cluster = false
  namespace      = "orders-terraform-test"
  kustomization  = "tests/cluster/kustomization"
  replicas       = 1
  hostname       = "test.orders.local"
}

run "it_is_ready_when_apply_ends" {
  assert {
    condition     = contains(output.objects, "HorizontalPodAutoscaler/orders-terraform-test/orders")
    error_message = "There is no autoscaler in ${jsonencode(output.objects)}."
  }

  assert {
    condition     = output.kubeconfig_path == var.kubeconfig
    error_message = "kubeconfig_path is ${output.kubeconfig_path}."
  }
}

run "its_pods_are_ready" {
  module {
    source = "./tests/cluster/ready"
  }
}

run "a_second_apply_changes_nothing" {
  command = plan

  assert {
    condition     = output.certificates == run.it_is_ready_when_apply_ends.certificates
    error_message = "The certificates would change."
  }

  assert {
    condition     = output.superuser_password == run.it_is_ready_when_apply_ends.superuser_password
    error_message = "The password would change."
  }
}

run "another_number_of_replicas_is_ready_when_apply_ends" {
  variables {
    replicas = 2
  }

  assert {
    condition     = output.ca_certificate == run.it_is_ready_when_apply_ends.ca_certificate
    error_message = "The CA has changed."
  }
}

run "the_pods_of_the_new_number_are_ready" {
  variables {
    replicas = 2
  }

  module {
    source = "./tests/cluster/ready"
  }
}
