# Applied for real, beside whatever else is in the cluster that TF_VAR_kubeconfig names:
#
#   TF_VAR_kubeconfig=... TF_VAR_image=... TF_VAR_image_tag=... \
#     terraform test -test-directory=tests/cluster
#
# In the end all of it is destroyed.

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

run "its_pods_are_ready_then" {
  module {
    source = "./tests/cluster/ready"
  }
}

run "the_next_apply_changes_nothing" {
  command = plan

  assert {
    condition     = output.certificates == run.it_is_ready_when_apply_ends.certificates
    error_message = "There would be other certificates."
  }

  assert {
    condition     = output.superuser_password == run.it_is_ready_when_apply_ends.superuser_password
    error_message = "There would be another password."
  }
}

run "another_number_of_replicas_is_ready_when_apply_ends" {
  variables {
    replicas = 2
  }

  assert {
    condition     = output.ca_certificate == run.it_is_ready_when_apply_ends.ca_certificate
    error_message = "There is another authority."
  }
}

run "those_pods_are_ready_then" {
  variables {
    replicas = 2
  }

  module {
    source = "./tests/cluster/ready"
  }
}
