/* ua_service.h - the structures of OPC UA's services, described once: a list of fields each, from which the C
 * struct and the table for encoder and decoder (ua_codec.c) are made. No function per structure.
 *
 *   #define UA_F_read_request(B, BA, S, SA) S(request_header, header) B(DOUBLE, max_age) SA(read_value_id, nodes_to_read)
 * is         struct ua_read_request { struct ua_request_header header; double max_age;
 *                                     struct ua_read_value_id *nodes_to_read; uint32_t nodes_to_read_n; };
 * with type number UA_T_read_request. B: built-in type (ua_types.h), BA: array of it, S: structure, SA: array of it.
 * Names and order are those of OPC 10000-4 and the Opc.Ua.Types schema of OPC 10000-6, in snake case; only
 * RequestHeader and ResponseHeader are always `header`, the first field of each service message.
 * Enumerations are INT32; their values are in ua_ids.h. Numbers of data type and binary encoding: OPC 10000-6 A.3. */
#pragma once
#include "proto/opcua/ua_types.h"

/* clang-format off */
#define UA_F_request_header(B, BA, S, SA) \
    B(NODEID, authentication_token) B(DATETIME, timestamp) B(UINT32, request_handle) \
    B(UINT32, return_diagnostics) B(STRING, audit_entry_id) B(UINT32, timeout_hint) \
    B(EXTENSION, additional_header)
#define UA_F_response_header(B, BA, S, SA) \
    B(DATETIME, timestamp) B(UINT32, request_handle) B(STATUS, service_result) \
    B(DIAGNOSTIC, service_diagnostics) BA(STRING, string_table) B(EXTENSION, additional_header)
#define UA_F_service_fault(B, BA, S, SA) \
    S(response_header, header)
#define UA_F_signature_data(B, BA, S, SA) \
    B(STRING, algorithm) B(BYTESTRING, signature)
#define UA_F_application_description(B, BA, S, SA) \
    B(STRING, application_uri) B(STRING, product_uri) B(TEXT, application_name) B(INT32, application_type) \
    B(STRING, gateway_server_uri) B(STRING, discovery_profile_uri) BA(STRING, discovery_urls)
#define UA_F_user_token_policy(B, BA, S, SA) \
    B(STRING, policy_id) B(INT32, token_type) B(STRING, issued_token_type) B(STRING, issuer_endpoint_url) \
    B(STRING, security_policy_uri)
#define UA_F_endpoint_description(B, BA, S, SA) \
    B(STRING, endpoint_url) S(application_description, server) B(BYTESTRING, server_certificate) \
    B(INT32, security_mode) B(STRING, security_policy_uri) SA(user_token_policy, user_identity_tokens) \
    B(STRING, transport_profile_uri) B(BYTE, security_level)
#define UA_F_channel_security_token(B, BA, S, SA) \
    B(UINT32, channel_id) B(UINT32, token_id) B(DATETIME, created_at) B(UINT32, revised_lifetime)
#define UA_F_open_secure_channel_request(B, BA, S, SA) \
    S(request_header, header) B(UINT32, client_protocol_version) B(INT32, request_type) \
    B(INT32, security_mode) B(BYTESTRING, client_nonce) B(UINT32, requested_lifetime)
#define UA_F_open_secure_channel_response(B, BA, S, SA) \
    S(response_header, header) B(UINT32, server_protocol_version) S(channel_security_token, security_token) \
    B(BYTESTRING, server_nonce)
#define UA_F_close_secure_channel_request(B, BA, S, SA) \
    S(request_header, header)
#define UA_F_close_secure_channel_response(B, BA, S, SA) \
    S(response_header, header)
#define UA_F_find_servers_request(B, BA, S, SA) \
    S(request_header, header) B(STRING, endpoint_url) BA(STRING, locale_ids) BA(STRING, server_uris)
#define UA_F_find_servers_response(B, BA, S, SA) \
    S(response_header, header) SA(application_description, servers)
#define UA_F_get_endpoints_request(B, BA, S, SA) \
    S(request_header, header) B(STRING, endpoint_url) BA(STRING, locale_ids) BA(STRING, profile_uris)
#define UA_F_get_endpoints_response(B, BA, S, SA) \
    S(response_header, header) SA(endpoint_description, endpoints)
#define UA_F_signed_software_certificate(B, BA, S, SA) \
    B(BYTESTRING, certificate_data) B(BYTESTRING, signature)
#define UA_F_create_session_request(B, BA, S, SA) \
    S(request_header, header) S(application_description, client_description) B(STRING, server_uri) \
    B(STRING, endpoint_url) B(STRING, session_name) B(BYTESTRING, client_nonce) \
    B(BYTESTRING, client_certificate) B(DOUBLE, requested_session_timeout) \
    B(UINT32, max_response_message_size)
#define UA_F_create_session_response(B, BA, S, SA) \
    S(response_header, header) B(NODEID, session_id) B(NODEID, authentication_token) \
    B(DOUBLE, revised_session_timeout) B(BYTESTRING, server_nonce) B(BYTESTRING, server_certificate) \
    SA(endpoint_description, server_endpoints) SA(signed_software_certificate, server_software_certificates) \
    S(signature_data, server_signature) B(UINT32, max_request_message_size)
#define UA_F_activate_session_request(B, BA, S, SA) \
    S(request_header, header) S(signature_data, client_signature) \
    SA(signed_software_certificate, client_software_certificates) BA(STRING, locale_ids) \
    B(EXTENSION, user_identity_token) S(signature_data, user_token_signature)
#define UA_F_activate_session_response(B, BA, S, SA) \
    S(response_header, header) B(BYTESTRING, server_nonce) BA(STATUS, results) \
    BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_close_session_request(B, BA, S, SA) \
    S(request_header, header) B(BOOLEAN, delete_subscriptions)
#define UA_F_close_session_response(B, BA, S, SA) \
    S(response_header, header)
#define UA_F_cancel_request(B, BA, S, SA) \
    S(request_header, header) B(UINT32, request_handle)
#define UA_F_cancel_response(B, BA, S, SA) \
    S(response_header, header) B(UINT32, cancel_count)
#define UA_F_anonymous_identity_token(B, BA, S, SA) \
    B(STRING, policy_id)
#define UA_F_user_name_identity_token(B, BA, S, SA) \
    B(STRING, policy_id) B(STRING, user_name) B(BYTESTRING, password) B(STRING, encryption_algorithm)
#define UA_F_x509_identity_token(B, BA, S, SA) \
    B(STRING, policy_id) B(BYTESTRING, certificate_data)
#define UA_F_issued_identity_token(B, BA, S, SA) \
    B(STRING, policy_id) B(BYTESTRING, token_data) B(STRING, encryption_algorithm)
#define UA_F_view_description(B, BA, S, SA) \
    B(NODEID, view_id) B(DATETIME, timestamp) B(UINT32, view_version)
#define UA_F_browse_description(B, BA, S, SA) \
    B(NODEID, node_id) B(INT32, browse_direction) B(NODEID, reference_type_id) B(BOOLEAN, include_subtypes) \
    B(UINT32, node_class_mask) B(UINT32, result_mask)
#define UA_F_browse_request(B, BA, S, SA) \
    S(request_header, header) S(view_description, view) B(UINT32, requested_max_references_per_node) \
    SA(browse_description, nodes_to_browse)
#define UA_F_reference_description(B, BA, S, SA) \
    B(NODEID, reference_type_id) B(BOOLEAN, is_forward) B(EXPANDED, node_id) B(NAME, browse_name) \
    B(TEXT, display_name) B(INT32, node_class) B(EXPANDED, type_definition)
#define UA_F_browse_result(B, BA, S, SA) \
    B(STATUS, status_code) B(BYTESTRING, continuation_point) SA(reference_description, references)
#define UA_F_browse_response(B, BA, S, SA) \
    S(response_header, header) SA(browse_result, results) BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_browse_next_request(B, BA, S, SA) \
    S(request_header, header) B(BOOLEAN, release_continuation_points) BA(BYTESTRING, continuation_points)
#define UA_F_browse_next_response(B, BA, S, SA) \
    S(response_header, header) SA(browse_result, results) BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_relative_path_element(B, BA, S, SA) \
    B(NODEID, reference_type_id) B(BOOLEAN, is_inverse) B(BOOLEAN, include_subtypes) B(NAME, target_name)
#define UA_F_relative_path(B, BA, S, SA) \
    SA(relative_path_element, elements)
#define UA_F_browse_path(B, BA, S, SA) \
    B(NODEID, starting_node) S(relative_path, relative_path)
#define UA_F_translate_browse_paths_to_node_ids_request(B, BA, S, SA) \
    S(request_header, header) SA(browse_path, browse_paths)
#define UA_F_browse_path_target(B, BA, S, SA) \
    B(EXPANDED, target_id) B(UINT32, remaining_path_index)
#define UA_F_browse_path_result(B, BA, S, SA) \
    B(STATUS, status_code) SA(browse_path_target, targets)
#define UA_F_translate_browse_paths_to_node_ids_response(B, BA, S, SA) \
    S(response_header, header) SA(browse_path_result, results) BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_register_nodes_request(B, BA, S, SA) \
    S(request_header, header) BA(NODEID, nodes_to_register)
#define UA_F_register_nodes_response(B, BA, S, SA) \
    S(response_header, header) BA(NODEID, registered_node_ids)
#define UA_F_unregister_nodes_request(B, BA, S, SA) \
    S(request_header, header) BA(NODEID, nodes_to_unregister)
#define UA_F_unregister_nodes_response(B, BA, S, SA) \
    S(response_header, header)
#define UA_F_read_value_id(B, BA, S, SA) \
    B(NODEID, node_id) B(UINT32, attribute_id) B(STRING, index_range) B(NAME, data_encoding)
#define UA_F_read_request(B, BA, S, SA) \
    S(request_header, header) B(DOUBLE, max_age) B(INT32, timestamps_to_return) \
    SA(read_value_id, nodes_to_read)
#define UA_F_read_response(B, BA, S, SA) \
    S(response_header, header) BA(DATAVALUE, results) BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_write_value(B, BA, S, SA) \
    B(NODEID, node_id) B(UINT32, attribute_id) B(STRING, index_range) B(DATAVALUE, value)
#define UA_F_write_request(B, BA, S, SA) \
    S(request_header, header) SA(write_value, nodes_to_write)
#define UA_F_write_response(B, BA, S, SA) \
    S(response_header, header) BA(STATUS, results) BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_history_read_value_id(B, BA, S, SA) \
    B(NODEID, node_id) B(STRING, index_range) B(NAME, data_encoding) B(BYTESTRING, continuation_point)
#define UA_F_history_read_request(B, BA, S, SA) \
    S(request_header, header) B(EXTENSION, history_read_details) B(INT32, timestamps_to_return) \
    B(BOOLEAN, release_continuation_points) SA(history_read_value_id, nodes_to_read)
#define UA_F_history_read_result(B, BA, S, SA) \
    B(STATUS, status_code) B(BYTESTRING, continuation_point) B(EXTENSION, history_data)
#define UA_F_history_read_response(B, BA, S, SA) \
    S(response_header, header) SA(history_read_result, results) BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_simple_attribute_operand(B, BA, S, SA) \
    B(NODEID, type_definition_id) BA(NAME, browse_path) B(UINT32, attribute_id) B(STRING, index_range)
#define UA_F_content_filter_element(B, BA, S, SA) \
    B(INT32, filter_operator) BA(EXTENSION, filter_operands)
#define UA_F_content_filter(B, BA, S, SA) \
    SA(content_filter_element, elements)
#define UA_F_event_filter(B, BA, S, SA) \
    SA(simple_attribute_operand, select_clauses) S(content_filter, where_clause)
#define UA_F_read_event_details(B, BA, S, SA) \
    B(UINT32, num_values_per_node) B(DATETIME, start_time) B(DATETIME, end_time) S(event_filter, filter)
#define UA_F_read_raw_modified_details(B, BA, S, SA) \
    B(BOOLEAN, is_read_modified) B(DATETIME, start_time) B(DATETIME, end_time) \
    B(UINT32, num_values_per_node) B(BOOLEAN, return_bounds)
#define UA_F_aggregate_configuration(B, BA, S, SA) \
    B(BOOLEAN, use_server_capabilities_defaults) B(BOOLEAN, treat_uncertain_as_bad) \
    B(BYTE, percent_data_bad) B(BYTE, percent_data_good) B(BOOLEAN, use_sloped_extrapolation)
#define UA_F_read_processed_details(B, BA, S, SA) \
    B(DATETIME, start_time) B(DATETIME, end_time) B(DOUBLE, processing_interval) BA(NODEID, aggregate_type) \
    S(aggregate_configuration, aggregate_configuration)
#define UA_F_read_at_time_details(B, BA, S, SA) \
    BA(DATETIME, req_times) B(BOOLEAN, use_simple_bounds)
#define UA_F_history_data(B, BA, S, SA) \
    BA(DATAVALUE, data_values)
#define UA_F_modification_info(B, BA, S, SA) \
    B(DATETIME, modification_time) B(INT32, update_type) B(STRING, user_name)
#define UA_F_history_modified_data(B, BA, S, SA) \
    BA(DATAVALUE, data_values) SA(modification_info, modification_infos)
#define UA_F_history_event_field_list(B, BA, S, SA) \
    BA(VARIANT, event_fields)
#define UA_F_history_event(B, BA, S, SA) \
    SA(history_event_field_list, events)
#define UA_F_update_data_details(B, BA, S, SA) \
    B(NODEID, node_id) B(INT32, perform_insert_replace) BA(DATAVALUE, update_values)
#define UA_F_history_update_request(B, BA, S, SA) \
    S(request_header, header) BA(EXTENSION, history_update_details)
#define UA_F_history_update_result(B, BA, S, SA) \
    B(STATUS, status_code) BA(STATUS, operation_results) BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_history_update_response(B, BA, S, SA) \
    S(response_header, header) SA(history_update_result, results) BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_call_method_request(B, BA, S, SA) \
    B(NODEID, object_id) B(NODEID, method_id) BA(VARIANT, input_arguments)
#define UA_F_call_request(B, BA, S, SA) \
    S(request_header, header) SA(call_method_request, methods_to_call)
#define UA_F_call_method_result(B, BA, S, SA) \
    B(STATUS, status_code) BA(STATUS, input_argument_results) \
    BA(DIAGNOSTIC, input_argument_diagnostic_infos) BA(VARIANT, output_arguments)
#define UA_F_call_response(B, BA, S, SA) \
    S(response_header, header) SA(call_method_result, results) BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_create_subscription_request(B, BA, S, SA) \
    S(request_header, header) B(DOUBLE, requested_publishing_interval) B(UINT32, requested_lifetime_count) \
    B(UINT32, requested_max_keep_alive_count) B(UINT32, max_notifications_per_publish) \
    B(BOOLEAN, publishing_enabled) B(BYTE, priority)
#define UA_F_create_subscription_response(B, BA, S, SA) \
    S(response_header, header) B(UINT32, subscription_id) B(DOUBLE, revised_publishing_interval) \
    B(UINT32, revised_lifetime_count) B(UINT32, revised_max_keep_alive_count)
#define UA_F_modify_subscription_request(B, BA, S, SA) \
    S(request_header, header) B(UINT32, subscription_id) B(DOUBLE, requested_publishing_interval) \
    B(UINT32, requested_lifetime_count) B(UINT32, requested_max_keep_alive_count) \
    B(UINT32, max_notifications_per_publish) B(BYTE, priority)
#define UA_F_modify_subscription_response(B, BA, S, SA) \
    S(response_header, header) B(DOUBLE, revised_publishing_interval) B(UINT32, revised_lifetime_count) \
    B(UINT32, revised_max_keep_alive_count)
#define UA_F_set_publishing_mode_request(B, BA, S, SA) \
    S(request_header, header) B(BOOLEAN, publishing_enabled) BA(UINT32, subscription_ids)
#define UA_F_set_publishing_mode_response(B, BA, S, SA) \
    S(response_header, header) BA(STATUS, results) BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_subscription_acknowledgement(B, BA, S, SA) \
    B(UINT32, subscription_id) B(UINT32, sequence_number)
#define UA_F_notification_message(B, BA, S, SA) \
    B(UINT32, sequence_number) B(DATETIME, publish_time) BA(EXTENSION, notification_data)
#define UA_F_publish_request(B, BA, S, SA) \
    S(request_header, header) SA(subscription_acknowledgement, subscription_acknowledgements)
#define UA_F_publish_response(B, BA, S, SA) \
    S(response_header, header) B(UINT32, subscription_id) BA(UINT32, available_sequence_numbers) \
    B(BOOLEAN, more_notifications) S(notification_message, notification_message) BA(STATUS, results) \
    BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_republish_request(B, BA, S, SA) \
    S(request_header, header) B(UINT32, subscription_id) B(UINT32, retransmit_sequence_number)
#define UA_F_republish_response(B, BA, S, SA) \
    S(response_header, header) S(notification_message, notification_message)
#define UA_F_delete_subscriptions_request(B, BA, S, SA) \
    S(request_header, header) BA(UINT32, subscription_ids)
#define UA_F_delete_subscriptions_response(B, BA, S, SA) \
    S(response_header, header) BA(STATUS, results) BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_transfer_result(B, BA, S, SA) \
    B(STATUS, status_code) BA(UINT32, available_sequence_numbers)
#define UA_F_transfer_subscriptions_request(B, BA, S, SA) \
    S(request_header, header) BA(UINT32, subscription_ids) B(BOOLEAN, send_initial_values)
#define UA_F_transfer_subscriptions_response(B, BA, S, SA) \
    S(response_header, header) SA(transfer_result, results) BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_monitoring_parameters(B, BA, S, SA) \
    B(UINT32, client_handle) B(DOUBLE, sampling_interval) B(EXTENSION, filter) B(UINT32, queue_size) \
    B(BOOLEAN, discard_oldest)
#define UA_F_monitored_item_create_request(B, BA, S, SA) \
    S(read_value_id, item_to_monitor) B(INT32, monitoring_mode) \
    S(monitoring_parameters, requested_parameters)
#define UA_F_monitored_item_create_result(B, BA, S, SA) \
    B(STATUS, status_code) B(UINT32, monitored_item_id) B(DOUBLE, revised_sampling_interval) \
    B(UINT32, revised_queue_size) B(EXTENSION, filter_result)
#define UA_F_create_monitored_items_request(B, BA, S, SA) \
    S(request_header, header) B(UINT32, subscription_id) B(INT32, timestamps_to_return) \
    SA(monitored_item_create_request, items_to_create)
#define UA_F_create_monitored_items_response(B, BA, S, SA) \
    S(response_header, header) SA(monitored_item_create_result, results) BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_monitored_item_modify_request(B, BA, S, SA) \
    B(UINT32, monitored_item_id) S(monitoring_parameters, requested_parameters)
#define UA_F_monitored_item_modify_result(B, BA, S, SA) \
    B(STATUS, status_code) B(DOUBLE, revised_sampling_interval) B(UINT32, revised_queue_size) \
    B(EXTENSION, filter_result)
#define UA_F_modify_monitored_items_request(B, BA, S, SA) \
    S(request_header, header) B(UINT32, subscription_id) B(INT32, timestamps_to_return) \
    SA(monitored_item_modify_request, items_to_modify)
#define UA_F_modify_monitored_items_response(B, BA, S, SA) \
    S(response_header, header) SA(monitored_item_modify_result, results) BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_set_monitoring_mode_request(B, BA, S, SA) \
    S(request_header, header) B(UINT32, subscription_id) B(INT32, monitoring_mode) \
    BA(UINT32, monitored_item_ids)
#define UA_F_set_monitoring_mode_response(B, BA, S, SA) \
    S(response_header, header) BA(STATUS, results) BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_set_triggering_request(B, BA, S, SA) \
    S(request_header, header) B(UINT32, subscription_id) B(UINT32, triggering_item_id) \
    BA(UINT32, links_to_add) BA(UINT32, links_to_remove)
#define UA_F_set_triggering_response(B, BA, S, SA) \
    S(response_header, header) BA(STATUS, add_results) BA(DIAGNOSTIC, add_diagnostic_infos) \
    BA(STATUS, remove_results) BA(DIAGNOSTIC, remove_diagnostic_infos)
#define UA_F_delete_monitored_items_request(B, BA, S, SA) \
    S(request_header, header) B(UINT32, subscription_id) BA(UINT32, monitored_item_ids)
#define UA_F_delete_monitored_items_response(B, BA, S, SA) \
    S(response_header, header) BA(STATUS, results) BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_data_change_filter(B, BA, S, SA) \
    B(INT32, trigger) B(UINT32, deadband_type) B(DOUBLE, deadband_value)
#define UA_F_attribute_operand(B, BA, S, SA) \
    B(NODEID, node_id) B(STRING, alias) S(relative_path, browse_path) B(UINT32, attribute_id) \
    B(STRING, index_range)
#define UA_F_literal_operand(B, BA, S, SA) \
    B(VARIANT, value)
#define UA_F_element_operand(B, BA, S, SA) \
    B(UINT32, index)
#define UA_F_content_filter_element_result(B, BA, S, SA) \
    B(STATUS, status_code) BA(STATUS, operand_status_codes) BA(DIAGNOSTIC, operand_diagnostic_infos)
#define UA_F_content_filter_result(B, BA, S, SA) \
    SA(content_filter_element_result, element_results) BA(DIAGNOSTIC, element_diagnostic_infos)
#define UA_F_event_filter_result(B, BA, S, SA) \
    BA(STATUS, select_clause_results) BA(DIAGNOSTIC, select_clause_diagnostic_infos) \
    S(content_filter_result, where_clause_result)
#define UA_F_aggregate_filter(B, BA, S, SA) \
    B(DATETIME, start_time) B(NODEID, aggregate_type) B(DOUBLE, processing_interval) \
    S(aggregate_configuration, aggregate_configuration)
#define UA_F_aggregate_filter_result(B, BA, S, SA) \
    B(DATETIME, revised_start_time) B(DOUBLE, revised_processing_interval) \
    S(aggregate_configuration, revised_aggregate_configuration)
#define UA_F_monitored_item_notification(B, BA, S, SA) \
    B(UINT32, client_handle) B(DATAVALUE, value)
#define UA_F_data_change_notification(B, BA, S, SA) \
    SA(monitored_item_notification, monitored_items) BA(DIAGNOSTIC, diagnostic_infos)
#define UA_F_event_field_list(B, BA, S, SA) \
    B(UINT32, client_handle) BA(VARIANT, event_fields)
#define UA_F_event_notification_list(B, BA, S, SA) \
    SA(event_field_list, events)
#define UA_F_status_change_notification(B, BA, S, SA) \
    B(STATUS, status) B(DIAGNOSTIC, diagnostic_info)
#define UA_F_build_info(B, BA, S, SA) \
    B(STRING, product_uri) B(STRING, manufacturer_name) B(STRING, product_name) B(STRING, software_version) \
    B(STRING, build_number) B(DATETIME, build_date)
#define UA_F_server_status_data_type(B, BA, S, SA) \
    B(DATETIME, start_time) B(DATETIME, current_time) B(INT32, state) S(build_info, build_info) \
    B(UINT32, seconds_till_shutdown) B(TEXT, shutdown_reason)
#define UA_F_redundant_server_data_type(B, BA, S, SA) \
    B(STRING, server_id) B(BYTE, service_level) B(INT32, server_state)
#define UA_F_endpoint_url_list_data_type(B, BA, S, SA) \
    BA(STRING, endpoint_url_list)
#define UA_F_network_group_data_type(B, BA, S, SA) \
    B(STRING, server_uri) SA(endpoint_url_list_data_type, network_paths)
#define UA_F_semantic_change_structure_data_type(B, BA, S, SA) \
    B(NODEID, affected) B(NODEID, affected_type)
#define UA_F_model_change_structure_data_type(B, BA, S, SA) \
    B(NODEID, affected) B(NODEID, affected_type) B(BYTE, verb)
#define UA_F_structure_field(B, BA, S, SA) \
    B(STRING, name) B(TEXT, description) B(NODEID, data_type) B(INT32, value_rank) \
    BA(UINT32, array_dimensions) B(UINT32, max_string_length) B(BOOLEAN, is_optional)
#define UA_F_structure_definition(B, BA, S, SA) \
    B(NODEID, default_encoding_id) B(NODEID, base_data_type) B(INT32, structure_type) \
    SA(structure_field, fields)
#define UA_F_enum_value_type(B, BA, S, SA) \
    B(INT64, value) B(TEXT, display_name) B(TEXT, description)
#define UA_F_enum_field(B, BA, S, SA) \
    B(INT64, value) B(TEXT, display_name) B(TEXT, description) B(STRING, name)
#define UA_F_enum_definition(B, BA, S, SA) \
    SA(enum_field, fields)
#define UA_F_argument(B, BA, S, SA) \
    B(STRING, name) B(NODEID, data_type) B(INT32, value_rank) BA(UINT32, array_dimensions) \
    B(TEXT, description)
#define UA_F_eu_information(B, BA, S, SA) \
    B(STRING, namespace_uri) B(INT32, unit_id) B(TEXT, display_name) B(TEXT, description)
#define UA_F_range(B, BA, S, SA) \
    B(DOUBLE, low) B(DOUBLE, high)
#define UA_F_axis_information(B, BA, S, SA) \
    S(eu_information, engineering_units) S(range, eu_range) B(TEXT, title) B(INT32, axis_scale_type) \
    BA(DOUBLE, axis_steps)
#define UA_F_xv_type(B, BA, S, SA) \
    B(DOUBLE, x) B(FLOAT, value)
#define UA_F_complex_number_type(B, BA, S, SA) \
    B(FLOAT, real) B(FLOAT, imaginary)
#define UA_F_double_complex_number_type(B, BA, S, SA) \
    B(DOUBLE, real) B(DOUBLE, imaginary)
#define UA_F_time_zone_data_type(B, BA, S, SA) \
    B(INT16, offset) B(BOOLEAN, daylight_saving_in_offset)

/*    C name, name, id of the data type, id of its binary encoding (both in namespace 0); a type stands after
 *    those that it contains */
#define UA_STRUCTURES(X) \
    X(request_header, "RequestHeader", 389, 391) \
    X(response_header, "ResponseHeader", 392, 394) \
    X(service_fault, "ServiceFault", 395, 397) \
    X(signature_data, "SignatureData", 456, 458) \
    X(application_description, "ApplicationDescription", 308, 310) \
    X(user_token_policy, "UserTokenPolicy", 304, 306) \
    X(endpoint_description, "EndpointDescription", 312, 314) \
    X(channel_security_token, "ChannelSecurityToken", 441, 443) \
    X(open_secure_channel_request, "OpenSecureChannelRequest", 444, 446) \
    X(open_secure_channel_response, "OpenSecureChannelResponse", 447, 449) \
    X(close_secure_channel_request, "CloseSecureChannelRequest", 450, 452) \
    X(close_secure_channel_response, "CloseSecureChannelResponse", 453, 455) \
    X(find_servers_request, "FindServersRequest", 420, 422) \
    X(find_servers_response, "FindServersResponse", 423, 425) \
    X(get_endpoints_request, "GetEndpointsRequest", 426, 428) \
    X(get_endpoints_response, "GetEndpointsResponse", 429, 431) \
    X(signed_software_certificate, "SignedSoftwareCertificate", 344, 346) \
    X(create_session_request, "CreateSessionRequest", 459, 461) \
    X(create_session_response, "CreateSessionResponse", 462, 464) \
    X(activate_session_request, "ActivateSessionRequest", 465, 467) \
    X(activate_session_response, "ActivateSessionResponse", 468, 470) \
    X(close_session_request, "CloseSessionRequest", 471, 473) \
    X(close_session_response, "CloseSessionResponse", 474, 476) \
    X(cancel_request, "CancelRequest", 477, 479) \
    X(cancel_response, "CancelResponse", 480, 482) \
    X(anonymous_identity_token, "AnonymousIdentityToken", 319, 321) \
    X(user_name_identity_token, "UserNameIdentityToken", 322, 324) \
    X(x509_identity_token, "X509IdentityToken", 325, 327) \
    X(issued_identity_token, "IssuedIdentityToken", 938, 940) \
    X(view_description, "ViewDescription", 511, 513) \
    X(browse_description, "BrowseDescription", 514, 516) \
    X(browse_request, "BrowseRequest", 525, 527) \
    X(reference_description, "ReferenceDescription", 518, 520) \
    X(browse_result, "BrowseResult", 522, 524) \
    X(browse_response, "BrowseResponse", 528, 530) \
    X(browse_next_request, "BrowseNextRequest", 531, 533) \
    X(browse_next_response, "BrowseNextResponse", 534, 536) \
    X(relative_path_element, "RelativePathElement", 537, 539) \
    X(relative_path, "RelativePath", 540, 542) \
    X(browse_path, "BrowsePath", 543, 545) \
    X(translate_browse_paths_to_node_ids_request, "TranslateBrowsePathsToNodeIdsRequest", 552, 554) \
    X(browse_path_target, "BrowsePathTarget", 546, 548) \
    X(browse_path_result, "BrowsePathResult", 549, 551) \
    X(translate_browse_paths_to_node_ids_response, "TranslateBrowsePathsToNodeIdsResponse", 555, 557) \
    X(register_nodes_request, "RegisterNodesRequest", 558, 560) \
    X(register_nodes_response, "RegisterNodesResponse", 561, 563) \
    X(unregister_nodes_request, "UnregisterNodesRequest", 564, 566) \
    X(unregister_nodes_response, "UnregisterNodesResponse", 567, 569) \
    X(read_value_id, "ReadValueId", 626, 628) \
    X(read_request, "ReadRequest", 629, 631) \
    X(read_response, "ReadResponse", 632, 634) \
    X(write_value, "WriteValue", 668, 670) \
    X(write_request, "WriteRequest", 671, 673) \
    X(write_response, "WriteResponse", 674, 676) \
    X(history_read_value_id, "HistoryReadValueId", 635, 637) \
    X(history_read_request, "HistoryReadRequest", 662, 664) \
    X(history_read_result, "HistoryReadResult", 638, 640) \
    X(history_read_response, "HistoryReadResponse", 665, 667) \
    X(simple_attribute_operand, "SimpleAttributeOperand", 601, 603) \
    X(content_filter_element, "ContentFilterElement", 583, 585) \
    X(content_filter, "ContentFilter", 586, 588) \
    X(event_filter, "EventFilter", 725, 727) \
    X(read_event_details, "ReadEventDetails", 644, 646) \
    X(read_raw_modified_details, "ReadRawModifiedDetails", 647, 649) \
    X(aggregate_configuration, "AggregateConfiguration", 948, 950) \
    X(read_processed_details, "ReadProcessedDetails", 650, 652) \
    X(read_at_time_details, "ReadAtTimeDetails", 653, 655) \
    X(history_data, "HistoryData", 656, 658) \
    X(modification_info, "ModificationInfo", 11216, 11226) \
    X(history_modified_data, "HistoryModifiedData", 11217, 11227) \
    X(history_event_field_list, "HistoryEventFieldList", 920, 922) \
    X(history_event, "HistoryEvent", 659, 661) \
    X(update_data_details, "UpdateDataDetails", 680, 682) \
    X(history_update_request, "HistoryUpdateRequest", 698, 700) \
    X(history_update_result, "HistoryUpdateResult", 695, 697) \
    X(history_update_response, "HistoryUpdateResponse", 701, 703) \
    X(call_method_request, "CallMethodRequest", 704, 706) \
    X(call_request, "CallRequest", 710, 712) \
    X(call_method_result, "CallMethodResult", 707, 709) \
    X(call_response, "CallResponse", 713, 715) \
    X(create_subscription_request, "CreateSubscriptionRequest", 785, 787) \
    X(create_subscription_response, "CreateSubscriptionResponse", 788, 790) \
    X(modify_subscription_request, "ModifySubscriptionRequest", 791, 793) \
    X(modify_subscription_response, "ModifySubscriptionResponse", 794, 796) \
    X(set_publishing_mode_request, "SetPublishingModeRequest", 797, 799) \
    X(set_publishing_mode_response, "SetPublishingModeResponse", 800, 802) \
    X(subscription_acknowledgement, "SubscriptionAcknowledgement", 821, 823) \
    X(notification_message, "NotificationMessage", 803, 805) \
    X(publish_request, "PublishRequest", 824, 826) \
    X(publish_response, "PublishResponse", 827, 829) \
    X(republish_request, "RepublishRequest", 830, 832) \
    X(republish_response, "RepublishResponse", 833, 835) \
    X(delete_subscriptions_request, "DeleteSubscriptionsRequest", 845, 847) \
    X(delete_subscriptions_response, "DeleteSubscriptionsResponse", 848, 850) \
    X(transfer_result, "TransferResult", 836, 838) \
    X(transfer_subscriptions_request, "TransferSubscriptionsRequest", 839, 841) \
    X(transfer_subscriptions_response, "TransferSubscriptionsResponse", 842, 844) \
    X(monitoring_parameters, "MonitoringParameters", 740, 742) \
    X(monitored_item_create_request, "MonitoredItemCreateRequest", 743, 745) \
    X(monitored_item_create_result, "MonitoredItemCreateResult", 746, 748) \
    X(create_monitored_items_request, "CreateMonitoredItemsRequest", 749, 751) \
    X(create_monitored_items_response, "CreateMonitoredItemsResponse", 752, 754) \
    X(monitored_item_modify_request, "MonitoredItemModifyRequest", 755, 757) \
    X(monitored_item_modify_result, "MonitoredItemModifyResult", 758, 760) \
    X(modify_monitored_items_request, "ModifyMonitoredItemsRequest", 761, 763) \
    X(modify_monitored_items_response, "ModifyMonitoredItemsResponse", 764, 766) \
    X(set_monitoring_mode_request, "SetMonitoringModeRequest", 767, 769) \
    X(set_monitoring_mode_response, "SetMonitoringModeResponse", 770, 772) \
    X(set_triggering_request, "SetTriggeringRequest", 773, 775) \
    X(set_triggering_response, "SetTriggeringResponse", 776, 778) \
    X(delete_monitored_items_request, "DeleteMonitoredItemsRequest", 779, 781) \
    X(delete_monitored_items_response, "DeleteMonitoredItemsResponse", 782, 784) \
    X(data_change_filter, "DataChangeFilter", 722, 724) \
    X(attribute_operand, "AttributeOperand", 598, 600) \
    X(literal_operand, "LiteralOperand", 595, 597) \
    X(element_operand, "ElementOperand", 592, 594) \
    X(content_filter_element_result, "ContentFilterElementResult", 604, 606) \
    X(content_filter_result, "ContentFilterResult", 607, 609) \
    X(event_filter_result, "EventFilterResult", 734, 736) \
    X(aggregate_filter, "AggregateFilter", 728, 730) \
    X(aggregate_filter_result, "AggregateFilterResult", 737, 739) \
    X(monitored_item_notification, "MonitoredItemNotification", 806, 808) \
    X(data_change_notification, "DataChangeNotification", 809, 811) \
    X(event_field_list, "EventFieldList", 917, 919) \
    X(event_notification_list, "EventNotificationList", 914, 916) \
    X(status_change_notification, "StatusChangeNotification", 818, 820) \
    X(build_info, "BuildInfo", 338, 340) \
    X(server_status_data_type, "ServerStatusDataType", 862, 864) \
    X(redundant_server_data_type, "RedundantServerDataType", 853, 855) \
    X(endpoint_url_list_data_type, "EndpointUrlListDataType", 11943, 11957) \
    X(network_group_data_type, "NetworkGroupDataType", 11944, 11958) \
    X(semantic_change_structure_data_type, "SemanticChangeStructureDataType", 897, 899) \
    X(model_change_structure_data_type, "ModelChangeStructureDataType", 877, 879) \
    X(structure_field, "StructureField", 101, 14844) \
    X(structure_definition, "StructureDefinition", 99, 122) \
    X(enum_value_type, "EnumValueType", 7594, 8251) \
    X(enum_field, "EnumField", 102, 14845) \
    X(enum_definition, "EnumDefinition", 100, 123) \
    X(argument, "Argument", 296, 298) \
    X(eu_information, "EUInformation", 887, 889) \
    X(range, "Range", 884, 886) \
    X(axis_information, "AxisInformation", 12079, 12089) \
    X(xv_type, "XVType", 12080, 12090) \
    X(complex_number_type, "ComplexNumberType", 12171, 12181) \
    X(double_complex_number_type, "DoubleComplexNumberType", 12172, 12182) \
    X(time_zone_data_type, "TimeZoneDataType", 8912, 8917)

#define UA_C_BOOLEAN bool
#define UA_C_SBYTE int8_t
#define UA_C_BYTE uint8_t
#define UA_C_INT16 int16_t
#define UA_C_UINT16 uint16_t
#define UA_C_INT32 int32_t
#define UA_C_UINT32 uint32_t
#define UA_C_INT64 int64_t
#define UA_C_UINT64 uint64_t
#define UA_C_FLOAT float
#define UA_C_DOUBLE double
#define UA_C_STRING struct str
#define UA_C_DATETIME int64_t
#define UA_C_GUID struct ua_guid
#define UA_C_BYTESTRING struct str
#define UA_C_XML struct str
#define UA_C_NODEID struct ua_nodeid
#define UA_C_EXPANDED struct ua_expanded
#define UA_C_STATUS uint32_t
#define UA_C_NAME struct ua_name
#define UA_C_TEXT struct ua_text
#define UA_C_EXTENSION struct ua_extension
#define UA_C_DATAVALUE struct ua_datavalue
#define UA_C_VARIANT struct ua_variant
#define UA_C_DIAGNOSTIC struct ua_diagnostic

#define UA_MEMBER_B(type, name) UA_C_##type name;
#define UA_MEMBER_BA(type, name) UA_C_##type *name; uint32_t name##_n;
#define UA_MEMBER_S(type, name) struct ua_##type name;
#define UA_MEMBER_SA(type, name) struct ua_##type *name; uint32_t name##_n;
#define UA_DEFINE(id, name, data_type, binary) \
    struct ua_##id { UA_F_##id(UA_MEMBER_B, UA_MEMBER_BA, UA_MEMBER_S, UA_MEMBER_SA) };
UA_STRUCTURES(UA_DEFINE)
#undef UA_DEFINE
/* clang-format on */

/* Type numbers: enum ua_type below 32, structures from there on. */
enum ua_structure_type {
    UA_T_FIRST = 31,
#define X(id, name, data_type, binary) UA_T_##id,
    UA_STRUCTURES(X)
#undef X
    UA_T_END
};

struct ua_field {
    const char *name;
    uint16_t type;   /* enum ua_type or ua_structure_type */
    uint16_t offset; /* in the C struct */
    bool array;
    uint16_t count;  /* offset of the uint32_t count of an array */
};
struct ua_structure {
    const char *name; /* "ReadRequest" */
    uint32_t data_type, binary; /* ids in namespace 0 */
    uint32_t size;
    const struct ua_field *fields;
    size_t fields_n;
};
const struct ua_structure *ua_structure(unsigned type);     /* NULL: none of ours */
unsigned ua_type_of_binary(const struct ua_nodeid *id);     /* encoding id -> type number, 0: unknown */
unsigned ua_type_of_data_type(const struct ua_nodeid *id);  /* data type id -> type number (built-in ones too), 0 */
/* The answer of a service: UA_T_read_request -> UA_T_read_response; 0: no request. */
unsigned ua_response_of(unsigned request);

/* A structure as extension object (it is pointed to, not copied) - for filters, tokens, history details. */
struct ua_extension ua_extension_of(unsigned type, void *value);
/* The decoded structure when the extension holds one of `type`, else NULL. */
void *ua_extension_as(const struct ua_extension *x, unsigned type);

/* ---- a message: encoding id and structure (OPC 10000-6, 5.2.9) --------------------------------------- */

void ua_message_encode(struct buf *out, unsigned type, const void *value);
/* Status 0, or BadDecodingError etc.; BadServiceUnsupported: a type that is none of ours. For a request or an answer
 * that does not decode as a whole, *ret_handle is the request handle of its header where that could be read. */
MUST_CHECK uint32_t ua_message_decode(struct arena *a, struct str bytes, const struct ua_limits *limits,
                                      unsigned *ret_type, void **ret_value, uint32_t *ret_handle);
